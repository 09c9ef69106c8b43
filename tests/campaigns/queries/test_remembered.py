"""What is remembered of large counts, and for how long."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from campaigns.queries import overview as overview_module
from campaigns.queries import stats
from campaigns.queries.overview import overview
from campaigns.queries.remembered import KEPT, LARGE_ROWS, LASTS, Remembered
from campaigns.queries.stats import CampaignStats, campaign_stats
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact

MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("rows", "later", "expected"),
    [
        (LARGE_ROWS, MOMENT, LARGE_ROWS),
        (LARGE_ROWS, LASTS - MOMENT, LARGE_ROWS),
        (LARGE_ROWS, LASTS, 7),
        (LARGE_ROWS, -MOMENT, 7),
        (LARGE_ROWS - 1, MOMENT, 7),
    ],
)
def test_a_large_count_is_used_again_for_a_while(rows: int, later: timedelta, expected: int) -> None:
    numbers = Remembered[int](lambda value: value)
    assert numbers.get("one", NOW, lambda: rows) == rows
    assert numbers.get("one", NOW + later, lambda: 7) == expected


def test_each_key_has_its_own_and_the_oldest_goes() -> None:
    numbers = Remembered[int](lambda value: value)
    for key in range(KEPT + 1):
        assert numbers.get(key, NOW, partial(int, LARGE_ROWS + key)) == LARGE_ROWS + key
    assert numbers.get(KEPT, NOW, lambda: 7) == LARGE_ROWS + KEPT
    assert numbers.get(0, NOW, lambda: 7) == 7


@pytest.mark.django_db
def test_live_calls_are_counted_now_whatever_is_remembered(monkeypatch) -> None:
    monkeypatch.setattr(stats, "_COUNTED", Remembered[CampaignStats](lambda _: LARGE_ROWS))
    campaign = make_campaign()
    contact = make_contact(campaign)
    assert (campaign_stats(campaign.pk, NOW).live_calls, campaign_stats(campaign.pk, NOW).contacts_total) == (0, 1)
    make_contact(campaign)
    make_call(make_attempt(contact), duration_s=None)
    seen = campaign_stats(campaign.pk, NOW + MOMENT)
    assert (seen.live_calls, seen.contacts_total) == (1, 1)
    assert campaign_stats(campaign.pk, NOW + LASTS).contacts_total == 2


@pytest.mark.django_db
def test_live_calls_and_progress_of_the_first_page_are_of_now(monkeypatch) -> None:
    monkeypatch.setattr(overview_module, "_COUNTED", Remembered[Any](lambda _: LARGE_ROWS))
    campaign = make_campaign()
    contact = make_contact(campaign)
    first = overview(NOW)
    make_contact(campaign)
    make_call(make_attempt(contact, is_counted=True), duration_s=None)
    seen, later = overview(NOW + MOMENT), overview(NOW + LASTS)
    assert (first.live_count, seen.live_count, first.waiting, seen.waiting) == (0, 1, 1, 2)
    assert [page.traffic.attempts for page in (first, seen, later)] == [0, 0, 1]
