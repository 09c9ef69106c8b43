"""A message that cannot be sent is logged, and nothing else happens."""

from __future__ import annotations

import logging

import pytest
from kombu.exceptions import OperationalError

from campaigns.tasks.health import beat
from campaigns.tasks.sending import send


@pytest.mark.parametrize(("expires_s", "options"), [(None, {}), (30, {"expires": 30})])
def test_send_publishes_the_task_with_its_arguments(monkeypatch, expires_s, options):
    published: list[dict] = []
    monkeypatch.setattr(beat, "apply_async", lambda **message: published.append(message))
    assert send(beat, expires_s=expires_s, queue="dial")
    assert published == [{"kwargs": {"queue": "dial"}, **options}]


def test_send_without_a_broker_says_so_and_goes_on(monkeypatch, caplog):
    def refuse(**_: object) -> None:
        raise OperationalError("redis://:password@127.0.0.1 is away")

    monkeypatch.setattr(beat, "apply_async", refuse)
    assert not send(beat, queue="dial")
    (record,) = caplog.records
    assert (record.levelno, record.message, record.task) == (logging.WARNING, "broker_unreachable", beat.name)
    assert "password" not in str(vars(record))
