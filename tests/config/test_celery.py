"""What the broker may do to us: late, double, foreign and lost messages change when something happens, never what."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads, prepare_accept_content

from config.celery import app

ROOT = Path(__file__).resolve().parents[2]
# Who may publish: the tasks, and the bridge at the end of a call, outside any transaction.
PUBLISHERS = {"bridge/calls/desk.py"}
PUBLISHING = {"delay", "apply_async"}
ROOMS = ("config", "telephony", "campaigns", "bridge")
NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every module of ours with its path."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in names


def test_only_tasks_and_the_end_of_a_call_publish() -> None:
    found = {name for name, tree in trees() if any(is_call_of(node, PUBLISHING) for node in ast.walk(tree))}
    assert {name for name in found if not name.startswith("campaigns/tasks/")} == PUBLISHERS


def test_nothing_is_published_inside_a_transaction() -> None:
    inside = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any("atomic" in ast.unparse(item.context_expr) for item in node.items)
        for inner in ast.walk(node)
        if is_call_of(inner, PUBLISHING) or (isinstance(inner, ast.Name) and inner.id == "send")
    ]
    assert inside == []


def test_a_pickled_message_is_not_even_read() -> None:
    accepted = prepare_accept_content(app.conf.accept_content)
    with pytest.raises(ContentDisallowed):
        loads(pickle.dumps([[], {}, {}]), "application/x-python-serialize", "binary", accept=accepted)


def test_no_message_is_kept_by_a_slow_worker_or_redelivered_while_a_task_runs() -> None:
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_acks_late is False
    assert app.conf.task_soft_time_limit <= 60 < app.conf.task_time_limit <= 90
    assert app.conf.task_time_limit < app.conf.broker_transport_options["visibility_timeout"]


def test_dialing_has_a_queue_of_its_own() -> None:
    routes = {
        task: app.amqp.router.route({}, task)["queue"].name
        for task in ("campaigns.tasks.dialing.place_call", "campaigns.tasks.dialing.tick")
    }
    others = {
        app.amqp.router.route({}, task)["queue"].name
        for task in app.tasks
        if task.startswith("campaigns.") and ".dialing." not in task and not task.endswith("health.beat")
    }
    assert set(routes.values()) == {"dial"}
    assert "dial" not in others


@pytest.mark.parametrize("name", app.conf.beat_schedule)
def test_a_beat_that_was_away_for_an_hour_catches_up_with_one_message(name: str) -> None:
    entry = app.conf.beat_schedule[name]
    clock = [NOW]
    away = ScheduleEntry(
        name=name,
        task=entry["task"],
        schedule=schedule(entry["schedule"], nowfun=lambda: clock[0], app=app),
        last_run_at=NOW - timedelta(hours=1),
        app=app,
    )
    assert away.is_due()[0]
    after = away.__next__(NOW)
    clock[0] = NOW + timedelta(seconds=0.1)
    assert not after.is_due()[0]


@pytest.mark.parametrize("name", app.conf.beat_schedule)
def test_a_message_of_the_beat_that_nobody_took_is_dropped(name: str) -> None:
    entry = app.conf.beat_schedule[name]
    assert 0 < entry["options"]["expires"] <= max(2 * entry["schedule"], 5)
