"""Stops, blackout dates and overrides: who may, what holds from when, and what the log says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied

from campaigns.enums import CampaignState, RuleProfileName
from campaigns.errors import RulesKept
from campaigns.models import BlackoutDate, BridgeNode, CallAttempt, Campaign, CampaignEvent, DialingStop
from campaigns.policies import rule_profiles
from campaigns.policies.rule_profiles import PROFILES
from campaigns.policies.rule_text import rules_in_words
from campaigns.queries.calling_rules import calls_to_hang_up, rules_of, window_of, windows_of
from campaigns.queries.dialing import dialable_trunk_ids
from campaigns.services.blackouts import add_blackouts, remove_blackout
from campaigns.services.campaigns import clone
from campaigns.services.claiming import claim_due
from campaigns.services.dialing import mark
from campaigns.services.dialing_stops import resume_dialing, stop_dialing
from campaigns.services.rule_overrides import override_rules
from tests.factories import NOW, make_call, make_campaign, make_contact, make_stream_call, make_user

pytestmark = pytest.mark.django_db

WHY = "Agreed with the customers in writing."
TODAY = date(2026, 11, 20)


@pytest.fixture
def user(db) -> User:
    return make_user()


@pytest.fixture
def legal(user: User) -> User:
    user.user_permissions.add(Permission.objects.get(codename="override_rules"))
    return User.objects.get(pk=user.pk)


def log_of(campaign: Campaign) -> list[tuple[str, str]]:
    return list(CampaignEvent.objects.filter(campaign=campaign).order_by("id").values_list("kind", "message"))


@pytest.mark.django_db(transaction=True)
def test_a_stop_holds_before_the_next_marker_and_the_next_claim() -> None:
    BridgeNode.objects.create(name="b1", capacity=10, seen_at=NOW)
    waiting = make_contact(make_campaign(calls_per_second=100))
    draft = make_campaign(state=CampaignState.DRAFT)
    (claim,) = claim_due(waiting.campaign.trunk_id, now=NOW)
    stop = stop_dialing(reason="Wrong list", user=None, now=NOW)
    assert mark(claim.attempt_id, claim.fence, now=NOW) is None
    attempt = CallAttempt.objects.get()
    assert (attempt.outcome, attempt.reason, attempt.posts) == ("released", "dialing_stopped", 0)
    assert (claim_due(waiting.campaign.trunk_id, now=NOW), dialable_trunk_ids()) == ([], [])
    # Two stops may stand at once; going on lifts them all.
    stop_dialing(reason="Again", user=None, now=NOW)
    later = NOW + timedelta(minutes=1)
    assert (resume_dialing(user=None, now=later), resume_dialing(user=None, now=later)) == (2, 0)
    stop.refresh_from_db()
    assert stop.lifted_at == later
    assert len(claim_due(waiting.campaign.trunk_id, now=NOW + timedelta(seconds=5))) == 1
    assert log_of(waiting.campaign) == [
        ("dialing_stopped", "All dialing was stopped: Wrong list"),
        ("dialing_stopped", "All dialing was stopped: Again"),
        ("dialing_resumed", "All dialing goes on."),
    ]
    assert log_of(draft) == []


def test_a_stop_hangs_up_only_what_campaigns_have_placed_and_only_where_that_was_said() -> None:
    placed, inbound = make_call(duration_s=None), make_stream_call(duration_s=None)
    calls = [placed.pk, inbound.pk, make_call().pk]
    stop_dialing(reason="Wrong list", user=None, now=NOW)
    assert calls_to_hang_up(calls) == []
    stop_dialing(reason="Wrong words", user=None, now=NOW, hangs_up=True)
    assert calls_to_hang_up(calls) == [placed.pk]
    assert calls_to_hang_up([inbound.pk]) == []
    assert CampaignEvent.objects.filter(message__startswith="All dialing was stopped and live calls hung up").exists()
    resume_dialing(user=None, now=NOW)
    assert calls_to_hang_up(calls) == []


def test_a_stop_remembers_who_and_why(user: User) -> None:
    stop_dialing(reason="x" * 300, user=user, now=NOW)
    assert DialingStop.objects.get().by == user
    assert len(DialingStop.objects.get().reason) == 200


def test_blackout_dates_are_for_all_or_for_one_campaign(user: User) -> None:
    mine, other = make_campaign(), make_campaign()
    add_blackouts({TODAY: "Tết"}, campaign=None, user=user, now=NOW)
    add_blackouts({TODAY + timedelta(days=1): "", TODAY: "Ours"}, campaign=mine, user=user, now=NOW)
    (row,) = add_blackouts({TODAY: "Renamed"}, campaign=None, user=user, now=NOW)
    assert BlackoutDate.objects.count() == 3
    assert row.name == "Renamed"
    assert window_of(mine, NOW).closed_dates == {TODAY, TODAY + timedelta(days=1)}
    assert window_of(other, NOW).closed_dates == {TODAY}
    assert window_of(mine, NOW + timedelta(days=9)).closed_dates == set()
    assert window_of(mine, NOW).day_names == {TODAY: "Ours", TODAY + timedelta(days=1): ""}
    remove_blackout(mine.blackout_dates.get(date=TODAY), user=user, now=NOW)
    assert log_of(mine) == [
        ("blackout_added", "Nobody is called on 2 dates from 2026-11-20 to 2026-11-21."),
        ("blackout_removed", "People may be called on 2026-11-20 again."),
    ]
    assert log_of(other) == []


def test_holidays_are_blackout_dates_of_the_campaign_that_names_them() -> None:
    tet = date(2027, 2, 6)
    before = NOW + timedelta(days=60)
    mine, other = make_campaign(holidays="VN"), make_campaign()
    assert tet in window_of(mine, before).closed_dates
    assert tet not in window_of(other, before).closed_dates
    assert clone(mine.pk, name="Copy", user=None, now=NOW).holidays == "VN"
    add_blackouts({tet: "We rest"}, campaign=None, user=None, now=NOW)
    windows = windows_of([mine, other], mine.trunk_id, before)
    assert [windows[each.pk].day_names[tet] for each in (mine, other)] == ["We rest", "We rest"]


def test_a_profile_may_name_holidays(monkeypatch) -> None:
    vietnam = tuple(replace(profile, holidays="VN") for profile in PROFILES)
    monkeypatch.setattr(rule_profiles, "PROFILES", vietnam)
    campaign = make_campaign(holidays="US")
    window = window_of(campaign, NOW)
    assert {window.day_names[date(2026, 11, 24)], window.day_names[date(2026, 11, 26)]} == {
        "Vietnam Cultural Day",
        "Thanksgiving Day",
    }
    assert "Nobody is called on the public holidays of VN" in rules_in_words(rules_of(campaign, NOW))


def test_a_set_of_holidays_that_cannot_be_read_closes_every_day() -> None:
    assert window_of(make_campaign(holidays="ZZ"), NOW).is_never_open


def test_an_override_needs_the_permission(user: User) -> None:
    campaign = make_campaign(rule_profile=RuleProfileName.VN_ADS)
    with pytest.raises(PermissionDenied):
        override_rules(campaign.pk, {"calls_per_day": 2}, reason=WHY, user=user, now=NOW)
    assert rules_of(campaign, NOW).calls_per_day == 1


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"calls_per_day": 2}, " ok ", "reason"),
        ({"needs_consent": False}, WHY, "rule_override"),
        ({"countries": ["US"]}, WHY, "rule_override"),
        ({"dnc_max_age_days": 90}, WHY, "rule_override"),
    ],
)
def test_an_override_needs_a_reason_and_has_its_limits(legal: User, changes, reason, field) -> None:
    campaign = make_campaign(rule_profile=RuleProfileName.VN_ADS)
    with pytest.raises(RulesKept) as refused:
        override_rules(campaign.pk, changes, reason=reason, user=legal, now=NOW)
    assert list(refused.value.errors) == [field]
    assert log_of(campaign) == []


def test_an_override_holds_is_told_and_can_be_lifted(legal: User) -> None:
    campaign = make_campaign(rule_profile=RuleProfileName.VN_ADS, calls_per_number_day=5)
    changed = override_rules(
        campaign.pk, {"calls_per_day": 2, "hours": ["08:00", "19:00"]}, reason=WHY, user=legal, now=NOW
    )
    rules = rules_of(changed, NOW)
    assert (rules.calls_per_day, rules.hours, rules.is_overridden) == (2, (480, 1140), True)
    event = CampaignEvent.objects.get()
    assert (event.user, event.message) == (legal, f"The rules of vn_ads were loosened: {WHY}")
    assert event.details == {
        "before": {},
        "after": {"calls_per_day": 2, "hours": ["08:00", "19:00"]},
        "reason": WHY,
    }
    lifted = override_rules(campaign.pk, {}, reason="Back to the law's own.", user=legal, now=NOW)
    assert rules_of(lifted, NOW).calls_per_day == 1
    assert CampaignEvent.objects.order_by("id").values_list("message", flat=True).last() == (
        "The rules of vn_ads hold again as they are: Back to the law's own."
    )


def test_a_broken_override_loosens_nothing() -> None:
    campaign = make_campaign(rule_profile=RuleProfileName.VN_ADS, rule_override={"calls_per_day": "many"})
    assert rules_of(campaign, NOW).calls_per_day == 1


def test_a_clone_keeps_the_rules_and_not_the_override(user: User) -> None:
    campaign = make_campaign(
        rule_profile=RuleProfileName.VN_ADS,
        calls_per_number_week=2,
        consent_attribute="ok",
        rule_override={"calls_per_day": 2},
    )
    add_blackouts({TODAY: "Tết"}, campaign=campaign, user=user, now=NOW)
    copy = clone(campaign.pk, name="Copy", user=user, now=NOW)
    assert (copy.rule_profile, copy.calls_per_number_week, copy.consent_attribute) == ("vn_ads", 2, "ok")
    assert (copy.rule_override, copy.blackout_dates.get().name) == ({}, "Tết")
