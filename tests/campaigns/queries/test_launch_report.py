"""The report before a launch: who is skipped, what is told, how long it takes."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.enums import CampaignState, ContactState, Outcome, RuleProfileName
from campaigns.models import Campaign, ListEntry, SuppressedNumber
from campaigns.policies.launch_estimate import ASSUMED
from campaigns.queries import launch_report as report_query
from campaigns.queries.launch_report import Example, launch_report
from campaigns.services.blackouts import add_blackouts
from tests.factories import NOW, make_attempt, make_campaign, make_contact, make_customer, make_list

pytestmark = pytest.mark.django_db


def draft(customers: int = 0, **fields) -> Campaign:
    campaign = make_campaign(state=CampaignState.DRAFT, **fields)
    campaign.customer_lists.add(make_list(columns=["plan"], customers=[make_customer() for _ in range(customers)]))
    return campaign


def skipped(campaign: Campaign, now=NOW) -> dict[str, tuple[int, bool]]:
    found = launch_report(campaign, now, random.Random(1)).skipped
    return {skip.code: (skip.count, skip.is_final) for skip in found}


def entries(campaign: Campaign) -> list[ListEntry]:
    return list(ListEntry.objects.filter(list__campaigns=campaign).select_related("customer").order_by("pk"))


def test_nobody_is_skipped_without_a_reason() -> None:
    report = launch_report(draft(3), NOW, random.Random(1))
    assert (report.customers, report.skipped, report.problems) == (3, [], [])


def test_customers_on_several_lists_count_once() -> None:
    campaign = draft(2)
    campaign.customer_lists.add(make_list(customers=[entry.customer for entry in entries(campaign)]))
    assert launch_report(campaign, NOW, random.Random(1)).customers == 2


def test_do_not_call_and_calls_of_a_moment_ago_are_counted() -> None:
    campaign = draft(4)
    one, two, three, _ = entries(campaign)
    SuppressedNumber.objects.create(phone_number=one.customer.phone_number)
    for entry, minutes in ((two, 5), (three, 500)):
        contact = make_contact(make_campaign(), customer=entry.customer, state=ContactState.DONE)
        make_attempt(contact, outcome=Outcome.NO_ANSWER, at=NOW - timedelta(minutes=minutes))
    assert skipped(campaign) == {"suppressed": (1, True), "called_recently": (1, False)}
    Campaign.objects.filter(pk=campaign.pk).update(calls_per_number_day=1)
    campaign.refresh_from_db()
    assert skipped(campaign)["number_cap"] == (2, False)


def test_consent_is_read_as_the_gate_reads_it() -> None:
    campaign = draft(4, rule_profile=RuleProfileName.VN_ADS, consent_attribute="consent")
    for entry, text in zip(entries(campaign), ("yes", "no", "2020-01-01", None), strict=True):
        entry.attributes = {} if text is None else {"consent": text}
        entry.save()
    assert skipped(campaign)["no_consent"] == (3, True)


def test_a_closed_window_makes_them_wait() -> None:
    campaign = draft(2)
    customer = entries(campaign)[0].customer
    customer.timezone = "America/New_York"
    customer.save()
    assert skipped(campaign) == {"outside_window": (1, False)}


def test_a_window_by_the_campaign_s_own_clock_is_closed_for_everybody_and_reads_no_zones() -> None:
    days = {day: [["08:00", "20:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    campaign = draft(2, calling_window={"timezone": "America/New_York", "days": days})
    with CaptureQueriesContext(connection) as queries:
        assert skipped(campaign) == {"outside_window": (2, False)}
        assert skipped(campaign, NOW + timedelta(hours=8)) == {}
    assert not any('GROUP BY "campaigns_customer"."timezone"' in query["sql"] for query in queries)


def test_numbers_that_are_not_dialed_are_counted(settings) -> None:
    settings.ALLOWED_COUNTRIES = ["VN"]
    campaign = draft(2)
    customer_list = campaign.customer_lists.get()
    for number in ("+841900123456", "+12025550123", "+12025550124"):
        ListEntry.objects.create(list=customer_list, customer=make_customer(number))
    assert skipped(campaign) == {"number_not_allowed": (1, True), "country_not_allowed": (2, True)}


def test_of_a_long_list_a_part_is_looked_at(monkeypatch, settings) -> None:
    settings.ALLOWED_COUNTRIES = ["US"]
    monkeypatch.setattr(report_query, "NUMBERS_LOOKED_AT", 5)
    found = launch_report(draft(20), NOW, random.Random(1)).skipped
    (skip,) = [skip for skip in found if skip.code == "country_not_allowed"]
    assert skip.count == 20
    assert skip.label == "Are in a country that may not be called, about, by a part of them"


def test_a_day_without_calls_is_told_and_makes_them_wait() -> None:
    campaign = draft(2, holidays="VN")
    add_blackouts({NOW.date(): "Ours", NOW.date() + timedelta(days=90): ""}, campaign=campaign, user=None, now=NOW)
    assert skipped(campaign) == {"blackout_date": (2, False)}
    told = launch_report(campaign, NOW, random.Random(1)).closed_days
    assert [(str(day.date), day.name) for day in told] == [
        ("2026-11-20", "Ours"),
        ("2026-11-24", "Vietnam Cultural Day"),
        ("2027-01-01", "New Year's Day"),
    ]


def test_rows_without_a_value_that_is_told_are_counted() -> None:
    campaign = draft(3, parameter_template={"plan": "Plan {{ attributes.plan }}"})
    first, second, third = entries(campaign)
    ListEntry.objects.filter(pk=first.pk).update(attributes={"plan": "Gold"})
    ListEntry.objects.filter(pk=second.pk).update(attributes={"plan": ""})
    third.customer.attributes = {"plan": "Blue"}
    third.customer.save()
    assert skipped(campaign) == {"empty_value": (1, False)}


def test_examples_show_what_is_told() -> None:
    campaign = draft(1, parameter_template={"who": "{{ customer.name }}", "plan": "{{ attributes.plan }}"})
    (entry,) = entries(campaign)
    ListEntry.objects.update(attributes={"plan": "Gold"})
    (example,) = launch_report(campaign, NOW, random.Random(1)).examples
    name = entry.customer.name
    assert example == Example(name, entry.customer.phone_number, {"who": name, "plan": "Gold"})


def test_five_examples_of_many_differ_and_cost_no_more_queries() -> None:
    small, large = draft(6), draft(40)
    costs = []
    for campaign in (small, large):
        with CaptureQueriesContext(connection) as queries:
            examples = launch_report(campaign, NOW, random.Random(3)).examples
        costs.append(len(queries))
        assert len({example.phone_number for example in examples}) == 5
    assert max(costs) - min(costs) <= 2


def test_it_learns_from_the_latest_campaign_with_enough_calls() -> None:
    campaign = draft(1)
    assert launch_report(campaign, NOW, random.Random(1)).estimate.experience == ASSUMED
    before = make_campaign()
    for place in range(50):
        outcome = Outcome.ANSWERED if place % 2 else Outcome.BUSY
        make_attempt(make_contact(before, state=ContactState.DONE), outcome=outcome)
    experience = launch_report(campaign, NOW, random.Random(1)).estimate.experience
    assert (experience.answer_rate, experience.talk_s, experience.is_assumed) == (0.5, 22, False)
