"""The front door and the shared floor."""

from bookbag.celery import app as celery_app

__all__ = ["celery_app"]
