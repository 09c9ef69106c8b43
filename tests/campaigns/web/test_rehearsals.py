"""Rehearsals on the pages and by the API: who asks, what is kept, what is shown."""

from __future__ import annotations

import re

import pytest
from kombu.exceptions import OperationalError

from campaigns.enums import CampaignState, Role
from campaigns.models import Campaign, CampaignEvent
from campaigns.services.rehearsal import keeping
from campaigns.tasks.rehearsals import rehearse_campaign
from tests.factories import make_campaign, make_customer, make_list, make_user

pytestmark = pytest.mark.django_db

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = {"days": {day: [["00:00", "24:00"]] for day in DAYS}}


def draft(**fields) -> Campaign:
    defaults = {"calling_window": ALWAYS, "max_attempts": 1}
    campaign = make_campaign("Spring", state=CampaignState.DRAFT, **(defaults | fields))
    campaign.customer_lists.add(make_list(customers=[make_customer() for _ in range(3)]))
    return campaign


def play(campaign: Campaign, **options) -> CampaignEvent:
    rehearse_campaign(campaign_id=campaign.pk, **({"limit": 10} | options))
    return CampaignEvent.objects.latest("pk")


def test_the_report_comes_into_the_log_with_who_asked() -> None:
    campaign, user = draft(), make_user()
    line = play(campaign, user_id=user.pk, answer_rate=0.5, talk_s=20.0)
    assert (line.campaign, line.kind, line.user) == (campaign, "rehearsed", user)
    assert line.message.startswith("Rehearsed: 3 calls, ")
    assert line.details["report"]["assumption"] == {
        "source": "an assumption: there are not enough calls to learn from",
        "answer_rate": 0.5,
        "talk_s": 20.0,
    }
    assert Campaign.objects.get().state == CampaignState.DRAFT


def test_what_cannot_be_played_is_logged_too(monkeypatch) -> None:
    assert play(draft(calling_window={"days": {}})).message == "Rehearsed: it would not begin."
    Campaign.objects.update(calling_window=ALWAYS, rule_profile="vn_ads")
    campaign = Campaign.objects.get()
    assert play(campaign).message == "Rehearsed: it would not begin."
    Campaign.objects.update(rule_profile="custom")
    monkeypatch.setattr(keeping, "LONGEST_S", -1.0)
    assert play(campaign).kind == "rehearsal_failed"
    assert "took longer" in CampaignEvent.objects.latest("pk").message


@pytest.mark.parametrize("role", [None, *Role])
def test_managers_ask_and_everybody_reads(client, monkeypatch, role) -> None:
    sent: list[dict] = []
    monkeypatch.setattr(rehearse_campaign, "apply_async", lambda kwargs, **_: sent.append(kwargs))
    user, campaign = make_user(role=role), draft()
    client.force_login(user)
    is_manager = role is Role.MANAGER
    page = f"/campaigns/{campaign.pk}/rehearsal/"
    assert "has not been rehearsed yet" in client.get(page).text
    assert (page in client.get(f"/campaigns/{campaign.pk}/").text) is is_manager
    answer = client.post(f"/campaigns/{campaign.pk}/rehearse/")
    assert answer.status_code == (302 if is_manager else 403)
    assert sent == ([{"campaign_id": campaign.pk, "limit": 200, "user_id": user.pk}] if is_manager else [])


def test_a_broker_that_is_away_is_told(client, monkeypatch) -> None:
    def away(**_) -> None:
        raise OperationalError("nobody listens")

    monkeypatch.setattr(rehearse_campaign, "apply_async", away)
    client.force_login(make_user(role=Role.MANAGER))
    answer = client.post(f"/campaigns/{draft().pk}/rehearse/", follow=True)
    assert "the broker does not answer" in answer.text


def test_the_page_shows_the_report_and_the_log_leads_to_it(client) -> None:
    client.force_login(make_user(role=Role.SUPERVISOR))
    campaign = draft()
    first, second = play(campaign, limit=1), play(campaign, answer_rate=1.0)
    shown = client.get(f"/campaigns/{campaign.pk}/rehearsal/").text
    assert "<dd>3</dd><p>3 answered</p>" in shown
    assert "contacts were played and stand" not in shown
    assert '<h3>Contacts by tries</h3><dl class="facts"><div><dt>1 try</dt><dd>3</dd></div></dl>' in shown
    assert re.search(r"<dd>\d+ min</dd>", shown)
    earlier = f"/campaigns/{campaign.pk}/rehearsal/?line={first.pk}"
    assert "1 of 3 contacts were played and stand" in client.get(earlier).text
    assert earlier in client.get(f"/campaigns/{campaign.pk}/").text
    assert second.message in client.get(f"/campaigns/{campaign.pk}/").text


@pytest.mark.parametrize("line", ["0", "x", "9" * 30])
def test_a_line_that_is_no_rehearsal_is_not_there(client, line) -> None:
    client.force_login(make_user())
    assert client.get(f"/campaigns/{draft().pk}/rehearsal/?line={line}").status_code == 404


def test_a_campaign_that_would_not_begin_says_why(client) -> None:
    client.force_login(make_user())
    campaign = draft(calling_window={"days": {}})
    play(campaign)
    assert "never open" in client.get(f"/campaigns/{campaign.pk}/rehearsal/").text
