from __future__ import annotations

import pytest

from bridge.playout_line import LINK_LEARNING_SHARE, MAX_LINK_MS, PlayoutLine

LINK_MS = 100


def test_audio_follows_what_was_sent_before_and_begins_anew_after_a_gap():
    line = PlayoutLine(LINK_MS)

    assert [line.add(200, 0), line.add(200, 50), line.add(200, 1_000)] == [100, 300, 1_100]
    assert (line.run_start_ms, line.end_ms) == (1_100, 1_300)


@pytest.mark.parametrize(("now_ms", "lead_ms"), [(0, 200), (150, 50), (200, 0), (900, 0)])
def test_lead_is_what_the_vendor_cannot_have_played(now_ms: float, lead_ms: float):
    line = PlayoutLine(LINK_MS)
    line.add(200, 0)

    assert line.lead_ms(now_ms) == lead_ms


def test_lead_falls_in_real_time():
    line = PlayoutLine(LINK_MS)
    assert line.lead_below_at_ms(60, 5) == 5
    line.add(200, 0)

    assert line.lead_below_at_ms(60, 5) == 140
    assert line.lead_below_at_ms(60, 150) == 150


@pytest.mark.parametrize(
    ("told_ms", "moved_ms"),
    [(50, 50), (-50, -50), (-500, -LINK_MS), (MAX_LINK_MS * 2, MAX_LINK_MS - LINK_MS)],
    ids=["later", "earlier", "before it was sent", "later than any line"],
)
def test_a_run_moves_as_far_as_the_vendor_can_be_believed(told_ms: float, moved_ms: float):
    line = PlayoutLine(LINK_MS)
    line.add(200, 0)

    assert line.move(told_ms) == moved_ms
    assert (line.run_start_ms, line.end_ms) == (LINK_MS + moved_ms, 300 + moved_ms)
    # The next run begins with what was learned.
    assert line.add(20, 10_000) == 10_000 + LINK_MS + LINK_LEARNING_SHARE * moved_ms


def test_dropped_audio_is_not_waited_for():
    line = PlayoutLine(LINK_MS)
    line.add(1_000, 0)
    line.drop(200)

    assert line.add(20, 210) == 310
