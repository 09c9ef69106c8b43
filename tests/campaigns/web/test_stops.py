"""Stopping all dialing from a campaign's page."""

from __future__ import annotations

import pytest

from campaigns.enums import Role
from campaigns.models import DialingStop
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
    assert "Nothing is dialed any more. 1 live calls are being hung up." in told.text
    assert DialingStop.objects.get().hangs_up


def test_a_stop_without_a_reason_stops_nothing(client) -> None:
    client.force_login(make_user(role=Role.MANAGER))
    told = client.post(f"/campaigns/{make_campaign().pk}/stop-all/", {"reason": " "}, follow=True)
    assert "Say why all dialing is to stop." in told.text
    assert not DialingStop.objects.exists()
