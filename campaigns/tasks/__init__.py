"""Celery tasks: thin. Read the clock, call one service, enqueue what it returns.

A worker finds a task only if its module has been imported, and it imports this package.
"""

from campaigns.tasks import dialing, health, imports, launching, rehearsals, results, webhooks

__all__ = ["dialing", "health", "imports", "launching", "rehearsals", "results", "webhooks"]
