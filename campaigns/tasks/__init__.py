"""Celery tasks: thin. Read the clock, call one service, enqueue what it returns."""
