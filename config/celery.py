"""Celery: queues, routes and the beat table. The database decides; a message is only a hint."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import SecurityWarning
from kombu import Queue
from kombu.transport.redis import QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# kombu 5.7 kills the worker when Redis goes away while a message with a delay is unacknowledged. Messages prefetched
# at a warm stop then wait for the visibility timeout, which costs nothing: the next tick derives the work anew.
QoS.restore_at_shutdown = False

# Celery warns root of pickled messages, which could run anything. Ours are JSON, and nothing else is accepted.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("trunkline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_default_queue="results",
    task_queues=[Queue("dial"), Queue("results"), Queue("bulk")],
    task_routes={
        "campaigns.tasks.dialing.place_call": {"queue": "dial"},
        "campaigns.tasks.dialing.*": {"queue": "dial"},
        "campaigns.tasks.imports.*": {"queue": "bulk"},
        "campaigns.tasks.dnc_lists.*": {"queue": "bulk"},
        "campaigns.tasks.launching.*": {"queue": "bulk"},
        "campaigns.tasks.rehearsals.*": {"queue": "bulk"},
        "campaigns.tasks.*": {"queue": "results"},
    },
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    result_backend=None,
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=1000,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=10,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    task_soft_time_limit=60,
    task_time_limit=90,
    enable_utc=True,
    timezone="UTC",
    visibility_timeout=3600,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 3600,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 15,
    },
    # A dead broker must cost a request or a live call at most a second; the sweepers find what was not published.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
)


def _every(task: str, seconds: float) -> dict[str, Any]:
    # A message that waited longer than two periods is worth nothing: the next one does the same.
    return {"task": f"campaigns.tasks.{task}", "schedule": seconds, "options": {"expires": max(2 * seconds, 5)}}


def _heartbeat(queue: str, seconds: float) -> dict[str, Any]:
    entry = _every("health.beat", seconds)
    return entry | {"kwargs": {"queue": queue}, "options": entry["options"] | {"queue": queue}}


app.conf.beat_schedule = {
    "tick": _every("dialing.tick", 1),
    "reap": _every("dialing.reap", 5),
    "start scheduled campaigns": _every("dialing.start_scheduled", 5),
    "sweep calls": _every("results.sweep_calls", 10),
    "sweep steps": _every("results.sweep_steps", 10),
    "relay webhooks": _every("webhooks.relay", 2),
    "resume imports": _every("imports.resume_imports", 15),
    "sweep do-not-call lists": _every("dnc_lists.sweep_dnc_lists", 60),
    "beat dial": _heartbeat("dial", 5),
    "beat results": _heartbeat("results", 5),
}
app.autodiscover_tasks(["campaigns"])


class StandInStep(bootsteps.StartStopStep):
    """Lets a worker that takes the dialer's messages take the beat's place while there is none."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stand_in: Any = None

    def start(self, parent: Any) -> None:
        """Begin to watch, where the worker dials."""
        if "dial" in parent.app.amqp.queues.consume_from:
            # Models are there now, and were not when this module was read.
            from campaigns.tasks.stand_in import StandIn

            self._stand_in = StandIn()
            self._stand_in.start()

    def stop(self, _parent: Any) -> None:
        """Watch no more."""
        if self._stand_in is not None:
            self._stand_in.stop()


app.steps["worker"].add(StandInStep)
