"""Settings, URLs, ASGI, Celery and logging: the only place that knows everything."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
