"""Stopping all dialing from a campaign's page."""

from __future__ import annotations

import pytest
from django.utils import timezone

from campaigns.enums import Role
from campaigns.models import DialingStop
from campaigns.queries.calling_rules import stops_in_force
from campaigns.services.dialing_stops import stop_dialing
from campaigns.web.live.parts import Topic, TopicKind, read_parts
from tests.factories import make_call, make_campaign, make_stream_call, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [None, *Role])
def test_managers_and_supervisors_stop_all_dialing(client, role) -> None:
    user = make_user(role=role)
    client.force_login(user)
    path = f"/campaigns/{make_campaign().pk}/"
    may = role in (Role.MANAGER, Role.SUPERVISOR)
    assert ("Stop all dialing…" in client.get(path).text) is may
    answer = client.post(f"{path}stop-all/", {"reason": "Wrong list"})
    assert answer.status_code == (302 if may else 403)
    stops = DialingStop.objects.values_list("reason", "by", "hangs_up")
    assert list(stops) == ([("Wrong list", user.pk, False)] if may else [])


def test_live_calls_are_counted_and_hung_up_where_that_is_wanted(client) -> None:
    client.force_login(make_user(role=Role.SUPERVISOR))
    call = make_call(duration_s=None)
    make_stream_call(duration_s=None)
    assert call.attempt is not None
    path = f"/campaigns/{call.attempt.campaign_id}/"
    assert "1 call that campaigns have placed is live now." in client.get(path).text
    told = client.post(f"{path}stop-all/", {"reason": "Wrong words", "hangs_up": "1"}, follow=True)
    assert "Nothing is dialed any more. 1 live call is being hung up." in told.text
    assert DialingStop.objects.get().hangs_up


def test_a_stop_without_a_reason_stops_nothing(client) -> None:
    client.force_login(make_user(role=Role.MANAGER))
    told = client.post(f"/campaigns/{make_campaign().pk}/stop-all/", {"reason": " "}, follow=True)
    assert "Say why all dialing is to stop." in told.text
    assert not DialingStop.objects.exists()


@pytest.mark.parametrize("role", [None, *Role])
def test_everybody_sees_a_stop_and_managers_lift_it(client, role) -> None:
    user = make_user(role=role)
    client.force_login(user)
    campaign, may = make_campaign(), role is Role.MANAGER
    pages = ("/", "/campaigns/", f"/campaigns/{campaign.pk}/")
    for address in pages:
        assert "All dialing is stopped." not in client.get(address).text
    stop_dialing(reason="Wrong <list>", user=user, now=timezone.now())
    for address in pages:
        text = client.get(address).text
        assert "All dialing is stopped." in text
        assert f"{user.get_username()}: Wrong &lt;list&gt;" in text
        assert ('action="/lift-stops/"' in text) is may
    answer = client.post("/lift-stops/", {"campaign": str(campaign.pk)})
    assert answer.status_code == (302 if may else 403)
    assert stops_in_force().exists() is not may


@pytest.mark.parametrize(
    ("asked_on", "back"), [("7", "/campaigns/7/"), ("", "/"), ("seven", "/"), ("9" * 30, "/"), ("²", "/")]
)
def test_lifting_leads_back_to_where_it_was_asked(client, asked_on, back) -> None:
    client.force_login(make_user(role=Role.MANAGER))
    answer = client.post("/lift-stops/", {"campaign": asked_on})
    assert answer.headers["Location"] == back


def test_pages_that_are_open_are_told_of_a_stop() -> None:
    campaign, now = make_campaign(), timezone.now()
    topics = [Topic(TopicKind.OVERVIEW, "", True), Topic(TopicKind.CAMPAIGN, str(campaign.pk), True)]
    assert [read_parts(topic, now)["dialing_stop"] for topic in topics] == ["", ""]
    stop_dialing(reason="Wrong list", user=None, now=now)
    for topic in topics:
        assert "Wrong list" in read_parts(topic, now)["dialing_stop"]
