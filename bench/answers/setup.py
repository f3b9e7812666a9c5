"""Makes Django ready: importing it is enough. No database is touched."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")
django.setup()
