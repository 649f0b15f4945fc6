"""The broker's side: the Celery app, its lanes, and hints."""
