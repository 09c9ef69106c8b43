"""Sending messages whose loss costs time and nothing else: a sweeper finds what they were about."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def send(task: Task[..., None], *, expires_s: float | None = None, **kwargs: Any) -> bool:
    """Hand a task to the broker; False where it cannot be reached, which is logged.

    A message nobody has taken after `expires_s` is dropped; None lets it wait for as long as it takes.
    """
    options: dict[str, Any] = {} if expires_s is None else {"expires": expires_s}
    try:
        task.apply_async(kwargs=kwargs, **options)
    except OperationalError as failure:
        log.warning("broker_unreachable", extra={"task": task.name, "failure": type(failure).__name__})
        return False
    return True
