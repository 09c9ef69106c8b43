"""Signs of life of parts that answer no HTTP request."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a part last did its work. `name` is a task queue: the beat, the broker and a worker of it are alive."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
