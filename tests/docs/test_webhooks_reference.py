"""The webhook reference says what the code does: every event, every ending, the schedule."""

from __future__ import annotations

import re
from pathlib import Path

from campaigns.enums import EndedBy, WebhookEvent
from campaigns.policies.webhook_backoff import WAITS_S
from campaigns.services.webhooks import TEST_EVENT

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "webhooks.md").read_text()
UNITS_S = {"s": 1, "min": 60, "h": 3600}


def rows():
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in REFERENCE.splitlines() if line[:1] == "|"]


def test_every_event_is_documented():
    documented = [row[0].strip("`") for row in rows() if re.fullmatch(r"`[a-z]+\.[a-z_]+`", row[0])]

    assert documented == [*WebhookEvent.values, TEST_EVENT]


def test_every_ending_is_documented():
    endings = next(row[1] for row in rows() if row[0] == "`ended_by`")

    assert re.findall(r"`(\w+)`", endings) == EndedBy.values


def test_the_schedule_is_the_documented_one():
    waits = next(row[1:] for row in rows() if row[0] == "after")
    documented = [(wait.partition(" ")[0], wait.partition(" ")[2] or "s") for wait in waits]

    assert [int(number) * UNITS_S[unit] for number, unit in documented] == list(WAITS_S)
