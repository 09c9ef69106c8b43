"""`manage.py rehearse`: what it prints, and what it refuses."""

from __future__ import annotations

import io
import json
import logging

import pytest
from django.core.management import CommandError, call_command

from campaigns.enums import CampaignState
from campaigns.models import Campaign, SuppressedNumber
from campaigns.policies.eligibility import LABELS, Gate
from campaigns.services.rehearsal import label_of
from tests.factories import make_campaign, make_customer, make_list

pytestmark = pytest.mark.django_db

BEGIN = ("--begin", "2026-11-20T09:00:00+07:00")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def draft(**fields) -> Campaign:
    window = {"days": {day: [["00:00", "24:00"]] for day in DAYS}}
    campaign = make_campaign("Spring", state=CampaignState.DRAFT, calling_window=window, max_attempts=1, **fields)
    campaign.customer_lists.add(make_list(customers=[make_customer(f"+849123400{ending}") for ending in ("00", "55")]))
    return campaign


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rehearse", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_report_is_written_for_people() -> None:
    draft()
    lines = run("Spring", "--as-simulated", *BEGIN).splitlines()
    assert lines[0] == "Spring, rehearsed from 2026-11-20 09:00 (seed 1)"
    assert any(line.startswith("finished 2026-11-20 09:0") and "2 calls, 1 answered" in line for line in lines)
    assert "          1  no_answer" in lines
    assert any("Everybody who waits is in a call" in line for line in lines)


def test_refusals_are_told_as_such_and_nothing_of_the_play_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    draft(parameter_template={"name": "{customer.name}"})
    SuppressedNumber.objects.create(phone_number="+84912340000")
    with caplog.at_level(logging.INFO):
        lines = run("Spring", "--as-simulated", *BEGIN).splitlines()
    assert "          1  The number is on a do-not-call list" in lines
    assert [record.message for record in caplog.records] == []


@pytest.mark.parametrize("gate", Gate)
def test_a_closed_gate_is_not_told_by_what_it_asks_for(gate: Gate) -> None:
    assert label_of(gate.value) != LABELS[gate]


def test_or_for_programs() -> None:
    campaign = draft()
    report = json.loads(run(str(campaign.pk), "--as-simulated", "--json", *BEGIN))
    assert (report["campaign"], report["calls"], report["outcomes"]) == ("Spring", 2, {"answered": 1, "no_answer": 1})
    assert report["begin"] == "2026-11-20T09:00:00+07:00"


def test_a_part_and_its_people_can_be_chosen() -> None:
    draft()
    text = run("Spring", "--limit", "1", "--share", "busy=1", "--share", "all_yes=3", "--talk", "50", *BEGIN)
    assert "75% answer and talk for 50 s: the shares that were given" in text
    assert "1 of 2 contacts were played" in text


def test_what_stands_against_it_is_told() -> None:
    draft()
    Campaign.objects.update(calling_window={"days": {}})
    assert "It would not begin:\n  The calling window is never open" in run("Spring", *BEGIN)


def test_what_would_be_left_is_told() -> None:
    draft()
    text = run("Spring", "--share", "no_answer=1", "--until", "2026-11-20T09:00:30+07:00", *BEGIN)
    assert "running at 2026-11-20 09:00: 2 calls, 0 answered" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Autumn",), "There is no campaign 'Autumn'"),
        (("999999",), "There is no campaign '999999'"),
        (("Spring", "--begin", "tomorrow"), "--begin must be a date and time"),
        (("Spring", "--until", "2026-11-20T09:00:00"), "--until must be a date and time"),
        (("Spring", "--share", "busy"), "--share must be a behaviour"),
        (("Spring", "--share", "nobody=1"), "no behaviour 'nobody'"),
        (("Spring", "--share", "busy=nan"), "greater than 0"),
        (("Spring", "--answer-rate", "2"), "between 0 and 1"),
        (("Spring", "--talk", "-1"), "cannot be negative"),
        (("Spring", "--limit", "-1"), "cannot be negative"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments: tuple[str, ...], said: str) -> None:
    draft()
    with pytest.raises(CommandError, match=said):
        run(*arguments)
