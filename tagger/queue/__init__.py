"""The broker: the Celery app and its lanes, changes to kombu, and hints."""
