"""Rehearsals by the API."""

from __future__ import annotations

import pytest

from campaigns.enums import CampaignState
from campaigns.tasks.rehearsals import rehearse_campaign
from tests.factories import make_campaign, make_customer, make_list

pytestmark = pytest.mark.django_db


def test_a_rehearsal_is_asked_for_and_read(manager, monkeypatch, django_capture_on_commit_callbacks) -> None:
    sent: list[dict] = []
    monkeypatch.setattr(rehearse_campaign, "apply_async", lambda kwargs, **_: sent.append(kwargs))
    window = {"days": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}}
    campaign = make_campaign(state=CampaignState.DRAFT, calling_window=window, max_attempts=1)
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    path = f"/api/v1/campaigns/{campaign.pk}/"
    missing = manager.get(f"{path}rehearsal/")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_ready")
    with django_capture_on_commit_callbacks(execute=True):
        answer = manager.post(f"{path}rehearse/", {"limit": 5, "answer_rate": 1.0})
    assert answer.status_code == 202
    (asked,) = sent
    assert (asked["campaign_id"], asked["limit"], asked["seed"], asked["talk_s"]) == (campaign.pk, 5, 1, None)
    rehearse_campaign(**asked)
    shown = manager.get(f"{path}rehearsal/").json()
    assert (sorted(shown), shown["report"]["calls"]) == (["at", "message", "report"], 1)


@pytest.mark.parametrize("body", [{"limit": 0}, {"answer_rate": 2}, {"talk_s": -1}, {"seed": "x"}, {"speed": 1}])
def test_what_cannot_be_played_is_refused(manager, body) -> None:
    answer = manager.post(f"/api/v1/campaigns/{make_campaign().pk}/rehearse/", body)
    assert answer.status_code == 422
