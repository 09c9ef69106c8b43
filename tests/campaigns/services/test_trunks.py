"""Trunks: holds and pauses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import CampaignState, TrunkHold
from campaigns.models import CampaignEvent, Trunk
from campaigns.services import trunks
from tests.factories import NOW, make_campaign, make_trunk

pytestmark = pytest.mark.django_db


def test_a_trunk_is_held_once_and_its_running_campaigns_are_told() -> None:
    running = make_campaign()
    make_campaign(state=CampaignState.PAUSED)
    assert trunks.hold(running.trunk_id, TrunkHold.AUTH, detail="HTTP 401.", now=NOW) is True
    assert trunks.hold(running.trunk_id, TrunkHold.REDIRECT, detail="HTTP 302.", now=NOW) is False
    trunk = Trunk.objects.get()
    assert (trunk.hold, trunk.hold_detail) == (TrunkHold.AUTH, "HTTP 401.")
    event = CampaignEvent.objects.get()
    assert (event.campaign, event.kind) == (running, "trunk_held")
    assert trunks.release_hold(trunk.pk, now=NOW) is True
    assert trunks.release_hold(trunk.pk, now=NOW) is False
    assert Trunk.objects.get().hold == TrunkHold.NONE


@pytest.mark.parametrize(("asked_s", "until_s"), [(None, 10), (30, 30), (5, 8)])
def test_a_pause_is_never_shortened(asked_s, until_s) -> None:
    trunk = make_trunk(throttled_until=NOW + timedelta(seconds=8))
    trunks.throttle(trunk.pk, retry_after_s=asked_s, now=NOW)
    assert Trunk.objects.get().throttled_until == NOW + timedelta(seconds=until_s)
