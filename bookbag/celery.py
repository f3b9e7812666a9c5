"""Celery, for deployments with a broker: `celery -A bookbag worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")

app = Celery("bookbag")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
