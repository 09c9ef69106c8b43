"""Settings, URLs, ASGI, Celery and logging: the only place that knows everything."""
