"""Rehearsals of whole campaigns: what they tell, and that they touch nothing."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from campaigns.enums import CampaignState, CanaryState, ContactState, EndedBy, Outcome, RuleProfileName
from campaigns.models import BlackoutDate, CallAttempt, Campaign, DialingStop, SuppressedNumber
from campaigns.services.rehearsal import RehearsalPlan, RehearsalReport, playing, rehearse
from telephony.simulator.sample import sample_customers
from tests.factories import (
    NOW,
    make_attempt,
    make_call,
    make_campaign,
    make_contact,
    make_customer,
    make_list,
    make_trunk,
)

pytestmark = pytest.mark.django_db

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = {"timezone": "", "days": {day: [["00:00", "24:00"]] for day in DAYS}}
OFFICE_HOURS = {"timezone": "Asia/Ho_Chi_Minh", "days": {day: [["09:00", "17:00"]] for day in DAYS}}
# 22:00 in Ho Chi Minh City, where everybody of these tests is.
EVENING = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
BY_NUMBER = RehearsalPlan(begin=NOW, is_by_number=True)


def draft(endings: str | int, **fields: Any) -> Campaign:
    """A draft over so many customers, or over numbers with these endings."""
    names = endings.split() if isinstance(endings, str) else [f"{place:02}" for place in range(endings)]
    customers = [make_customer(f"+8491234{place:02}{ending}") for place, ending in enumerate(names)]
    lines, pace = fields.pop("lines", 5), fields.pop("pace", 2.0)
    trunk = make_trunk(max_concurrent_calls=lines, calls_per_second=pace, tenant="ours", allowed_networks=["10.0.0.1"])
    defaults = {
        "trunk": trunk,
        "state": CampaignState.DRAFT,
        "calling_window": ALWAYS,
        "max_concurrent_calls": lines,
        "calls_per_second": pace,
    }
    campaign = make_campaign(**(defaults | fields))
    campaign.customer_lists.add(make_list(columns=["consent"], customers=customers))
    return campaign


def played(campaign: Campaign, plan: RehearsalPlan = BY_NUMBER) -> RehearsalReport:
    return rehearse(campaign.pk, plan, now=NOW)


def everything() -> dict[str, list[dict[str, Any]]]:
    models = [*apps.get_app_config("campaigns").get_models(), *apps.get_app_config("auth").get_models()]
    return {model.__name__: list(model._base_manager.order_by("pk").values()) for model in models}


def test_each_number_comes_to_what_the_simulator_makes_of_it() -> None:
    report = played(draft("00 10 18 23 44 55 70", max_attempts=1))
    assert report.outcomes == {"answered": 5, "machine": 1, "no_answer": 1}
    assert report.dispositions == {"completed": 3, "declined": 1, "transferred": 1, "voicemail": 1}
    assert report.contacts == {"done": 5, "exhausted": 2}
    assert (report.calls, report.answered, report.state, report.undone) == (7, 6, "finished", [])
    assert report.finish_at is not None
    assert report.finish_at - NOW < timedelta(minutes=2)
    assert report.log[0].endswith("Launched.")


def test_the_sample_campaign_goes_as_it_went() -> None:
    """`make run`, on a quiet machine: 142 s from the first claim to the end of the last call, and these outcomes."""
    customers = [make_customer(f"+84{customer.phone_number[1:]}") for customer in sample_customers(1)]
    limits: dict[str, Any] = {"max_concurrent_calls": 12, "calls_per_second": 2.0}
    fields = {"ring_timeout_s": 8, "max_attempts": 1, "calling_window": ALWAYS, **limits}
    campaign = make_campaign(state=CampaignState.DRAFT, trunk=make_trunk(**limits), **fields)
    campaign.customer_lists.add(make_list(customers=customers))
    report = played(campaign)
    assert report.outcomes == {"answered": 39, "no_answer": 4, "failed": 1, "machine": 1, "released": 1}
    assert report.contacts == {"done": 37, "exhausted": 6, "blocked": 2}
    assert report.finish_at is not None
    assert (report.finish_at - NOW).total_seconds() == pytest.approx(142, abs=8)


def test_a_switch_in_trouble_makes_as_many_calls_as_it_does_in_truth(settings) -> None:
    settings.BREAKER_FAILED_SHARE = 0
    # As many campaigns as would be paused or held by it otherwise.
    report = played(draft("75 77 80 81 82 83 84 85 87 90 91 92", max_attempts=1))
    assert report.outcomes == {"answered": 8, "unconfirmed": 3, "failed": 1, "released": 1}
    assert report.contacts == {"done": 8, "exhausted": 4}
    assert report.refusals.keys() <= {"trunk_throttled"}


def test_the_same_seed_gives_the_same_report_and_another_another() -> None:
    campaign = draft(8, max_attempts=1)
    first, again, other = (played(campaign, RehearsalPlan(begin=NOW, seed=seed)).as_json() for seed in (1, 1, 2))
    assert first == again
    assert {**first, "seed": 2} != other


def test_nothing_is_changed_sent_or_written(data_dir, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = draft("00 41 55 75 80 85", cadence={"waits_s": {"default": [60]}}, max_attempts=2)
    before = everything()

    def refuse(*_: object) -> None:
        raise AssertionError("a rehearsal opens no socket")

    def only_reads(execute, sql, params, many, context):
        assert sql.lstrip("( ").startswith("SELECT"), sql
        return execute(sql, params, many, context)

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    with connection.execute_wrapper(only_reads):
        assert played(campaign).calls
    assert everything() == before
    assert list(data_dir.iterdir()) == []


def test_who_may_not_be_called_is_told_by_gate() -> None:
    campaign = draft("00 01 02 03")
    SuppressedNumber.objects.create(phone_number="+84912340000")
    first = played(campaign)
    assert first.refusals == {"suppressed": 1}
    assert first.contacts == {"done": 3, "blocked": 1}
    Campaign.objects.update(rule_profile=RuleProfileName.US_TCPA, consent_attribute="consent")
    campaign.refresh_from_db()
    assert played(campaign).problems or played(campaign).refusals == {"country_not_allowed": 3, "suppressed": 1}


def test_caps_and_rests_hold_in_virtual_time() -> None:
    campaign = draft("55 56", max_attempts=3, cadence={"waits_s": {"default": [60, 60]}}, calls_per_number_day=1)
    report = played(campaign)
    assert report.tries == {"1": 2, "2": 2, "3": 2}
    # Each second and third try is refused until the cap lets it through, a day later each time.
    assert report.refusals == {"number_cap": 4}
    assert report.finish_at is not None
    assert timedelta(days=2) < report.finish_at - NOW < timedelta(days=2, minutes=10)


def test_earlier_calls_to_the_numbers_count() -> None:
    campaign = draft("00 01")
    customer = campaign.customer_lists.get().customers.get(phone_number="+84912340000")
    contact = make_contact(make_campaign(), customer=customer, state=ContactState.DONE)
    make_attempt(contact, outcome=Outcome.NO_ANSWER, at=NOW - timedelta(minutes=5))
    report = played(campaign)
    assert report.refusals == {"called_recently": 1}
    assert report.contacts == {"done": 2}


def test_nobody_is_called_at_night() -> None:
    report = played(draft("00 01", calling_window=OFFICE_HOURS), replace(BY_NUMBER, begin=EVENING))
    opens_at = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    assert [stretch.begin for stretch in report.stretches] == [opens_at]
    assert report.time_s["outside_window"] == pytest.approx(11 * 3600, abs=5)
    assert report.finish_at is not None
    assert opens_at < report.finish_at < opens_at + timedelta(minutes=5)


def test_those_whose_own_window_is_closed_are_counted() -> None:
    window = OFFICE_HOURS | {"timezone": ""}
    BlackoutDate.objects.create(date=datetime(2026, 11, 21, tzinfo=UTC).date())
    report = played(draft("00 01", calling_window=window), replace(BY_NUMBER, begin=EVENING))
    assert report.put_off == {"outside_window": 2}
    assert report.finish_at is not None
    assert report.finish_at > datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_a_stop_of_all_dialing_is_told() -> None:
    campaign = draft("00 01")
    DialingStop.objects.create(at=NOW, reason="a fire")
    report = played(campaign)
    assert (report.calls, report.state) == (0, "running")
    assert [(undone.code, undone.count) for undone in report.undone][:1] == [("dialing_stopped", 2)]


def test_what_stands_against_a_launch_is_told() -> None:
    campaign = draft("00")
    Campaign.objects.update(calling_window={"days": {}})
    report = played(campaign)
    assert (report.calls, len(report.problems)) == (0, 1)
    assert "never open" in report.problems[0]


def test_a_campaign_that_the_switch_refuses_is_paused() -> None:
    plan = RehearsalPlan(begin=NOW, shares={"invalid_number": 1})
    report = played(draft(20, lines=1), plan)
    assert (report.state, report.outcomes, report.finish_at) == ("paused", {"failed": 5}, None)
    assert any("refused 5 calls in a row" in line for line in report.log)
    assert report.undone[0].code == "campaign_not_running"


def test_a_careful_start_is_judged() -> None:
    plan = RehearsalPlan(begin=NOW, shares={"busy": 1})
    report = played(draft(12, canary_calls=4, canary_answered_min=0.5), plan)
    assert report.state == "paused"
    assert any("careful start failed" in line for line in report.log)
    assert report.calls == 4


def test_limits_are_kept_and_waiting_for_them_is_told() -> None:
    report = played(draft(15, lines=3, pace=5.0), RehearsalPlan(begin=NOW, shares={"all_yes": 1}))
    assert (report.busiest_lines, report.sample.lines_max) == (3, 3)
    assert max(report.time_s, key=lambda code: report.time_s[code]) == "campaign_lines"


def test_a_slow_pace_is_kept() -> None:
    slow = played(draft_at_pace(0.1), RehearsalPlan(begin=NOW, shares={"all_yes": 1}))
    assert max(slow.time_s, key=lambda code: slow.time_s[code]) == "campaign_pace"
    assert slow.finish_at is not None
    assert slow.finish_at - NOW == pytest.approx(timedelta(seconds=9 * 10 + 50), abs=timedelta(seconds=15))


def draft_at_pace(pace: float) -> Campaign:
    customers = [make_customer() for _ in range(10)]
    limits: dict[str, Any] = {"calls_per_second": pace, "max_concurrent_calls": 9}
    campaign = make_campaign(state=CampaignState.DRAFT, calling_window=ALWAYS, **limits)
    campaign.customer_lists.add(make_list(customers=customers))
    return campaign


def test_of_one_under_way_those_who_wait_are_played() -> None:
    campaign = make_campaign(state=CampaignState.PAUSED, calling_window=ALWAYS, contacts_filled_at=NOW)
    waiting = make_contact(campaign, customer=make_customer("+84912340055"), attempts_made=1)
    make_attempt(waiting, outcome=Outcome.NO_ANSWER, at=NOW - timedelta(hours=3))
    make_contact(campaign, state=ContactState.DONE)
    report = played(campaign)
    assert report.sample.contacts == 1
    assert report.contacts == {"exhausted": 1}
    assert report.tries == {"2": 1, "3": 1}
    assert any("paused" in note for note in report.notes)


def test_one_that_is_over_is_played_from_its_beginning() -> None:
    campaign = draft("00 01", state=CampaignState.FINISHED, finished_at=NOW, contacts_filled_at=NOW)
    Campaign.objects.update(canary_state=CanaryState.PASSED, archived_at=NOW)
    assert played(campaign).contacts == {"done": 2}


def test_one_in_which_nobody_waits_says_so() -> None:
    campaign = make_campaign(contacts_filled_at=NOW)
    assert played(campaign).problems == ["Nobody waits in it to be called."]


def test_a_part_of_it_stands_for_the_whole() -> None:
    campaign, plan = draft(40, max_attempts=1, lines=4), RehearsalPlan(begin=NOW, shares={"all_yes": 1})
    whole, part = played(campaign, plan), played(campaign, replace(plan, limit=10))
    assert (part.sample.contacts, part.sample.played, part.sample.is_paced_by_lines) == (40, 10, True)
    assert (whole.contacts, part.contacts) == ({"done": 40}, {"done": 40})
    assert (whole.calls, part.calls, whole.busiest_lines, part.busiest_lines) == (40, 40, 4, 4)
    assert whole.finish_at is not None
    assert part.finish_at is not None
    assert (part.finish_at - NOW) / (whole.finish_at - NOW) == pytest.approx(1, abs=0.1)
    assert max(part.time_s, key=lambda code: part.time_s[code]) == "campaign_lines"


def test_many_lines_are_divided() -> None:
    campaign = draft(40, lines=40, pace=10.0)
    part = played(campaign, RehearsalPlan(begin=NOW, shares={"all_yes": 1}, limit=20))
    assert not part.sample.is_paced_by_lines
    assert part.calls == 40


def test_what_never_comes_to_a_call_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that cannot be built is tried again every few minutes, for as long as one lets it."""
    monkeypatch.setattr(playing, "STUCK_EVENTS", 60)
    campaign = make_campaign(calling_window=ALWAYS, is_silence=False, audio_file="gone.wav", contacts_filled_at=NOW)
    make_contact(campaign)
    report = played(campaign)
    assert (report.calls, report.finish_at) == (0, None)
    assert report.refusals.keys() == {"audio_file_missing"}
    assert report.end < NOW + timedelta(days=1)


def test_it_ends_where_it_is_told_to() -> None:
    until = NOW + timedelta(minutes=1)
    report = played(draft(10, lines=1), RehearsalPlan(begin=NOW, until=until, shares={"all_yes": 1}))
    assert (report.end, report.finish_at) == (until, None)
    assert 0 < report.calls < 10
    assert report.undone
    with pytest.raises(ValueError, match="end after"):
        played(draft_at_pace(1.0), RehearsalPlan(begin=NOW, until=NOW))


def test_it_learns_from_calls_that_were_made() -> None:
    campaign = draft(5)
    before = make_campaign(trunk=campaign.trunk, state=CampaignState.FINISHED)
    for place in range(50):
        contact = make_contact(before, state=ContactState.DONE)
        if place % 2:
            make_attempt(contact, outcome=Outcome.BUSY)
        else:
            attempt = make_attempt(contact, outcome=Outcome.ANSWERED)
            make_call(attempt, lines=(), duration_s=30, disposition="sold", ended_by=EndedBy.AGENT_FAILED)
    report = played(campaign, RehearsalPlan(begin=NOW + timedelta(days=1)))
    assert "50 calls" in report.assumption.source
    assert (report.assumption.answer_rate, report.assumption.talk_s) == (0.5, 30)
    assert report.dispositions.keys() == {"sold"}
    chosen = played(campaign, RehearsalPlan(begin=NOW + timedelta(days=1), answer_rate=1.0, talk_s=90))
    assert (chosen.assumption.answer_rate, chosen.assumption.talk_s) == (1, 90)
    assert chosen.outcomes == {"answered": 5}


def test_a_talk_longer_than_any_may_be_is_cut() -> None:
    plan = RehearsalPlan(begin=NOW, shares={"all_yes": 1}, talk_s=100_000)
    report = played(draft("00"), plan)
    assert report.finish_at is not None
    assert report.finish_at - NOW < timedelta(minutes=32)


def test_its_neighbours_are_named() -> None:
    campaign = draft("00")
    make_campaign(trunk=campaign.trunk)
    assert any("1 other running" in note for note in played(campaign).notes)
    assert CallAttempt.objects.count() == 0
