"""A vendor that says what it has played: the clock follows it, learns from it, and is not led astray by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.playout import LATE_ACK_MS, UNDER_WAY_MS, UNDERRUN_GUARD_MS, Cut, Playout, SentAudio
from telephony.protocols.events import EndUtterance, PlaybackAcknowledged
from tests.bridge.test_playout import audio, capabilities, pieces


def played(item_id: str, heard_ms: int) -> PlaybackAcknowledged:
    return PlaybackAcknowledged(item_id, heard_ms)


def dropped(item_id: str, heard_ms: int) -> PlaybackAcknowledged:
    return PlaybackAcknowledged(item_id, heard_ms, was_played=False)


def test_acknowledgement_sets_the_clock():
    playout = Playout(capabilities(has_ack=True))
    playout.enqueue("a", audio(300))
    playout.due(0)
    assert playout.heard_ms("a", 250) == 170
    playout.acknowledge(played("a", 100), 250)
    assert playout.heard_ms("a", 250) == 100
    assert playout.heard_ms("a", 350) == 200
    assert playout.drained_at_ms() == 450


def test_link_is_learned_for_the_next_utterance():
    playout = Playout(capabilities(has_ack=True))
    for at_ms in range(0, 60_000, 2_000):
        playout.enqueue(f"item-{at_ms}", audio(300))
        playout.finish(f"item-{at_ms}")
        playout.due(at_ms)
        playout.pop_heard(at_ms + 380)
        # The line really takes 200 ms, not the 80 that were assumed.
        playout.acknowledge(played(f"item-{at_ms}", 300), at_ms + 500)
    playout.enqueue("last", audio(100))
    (first,) = pieces(playout, 60_000)
    assert first.heard_from_ms == pytest.approx(60_200, abs=1)


def test_lead_is_kept_while_the_clock_is_corrected():
    playout = Playout(capabilities(has_ack=True))
    playout.enqueue("a", audio(1_000))
    assert len(pieces(playout, 0)) == 3
    playout.acknowledge(played("a", 100), 500)
    assert len(pieces(playout, 100)) == 1
    assert pieces(playout, 199) == []
    assert len(pieces(playout, 200)) == 1


def test_nothing_is_heard_before_it_was_sent():
    playout = Playout(capabilities(has_ack=True))
    playout.enqueue("a", audio(300))
    playout.due(1_000)
    playout.acknowledge(played("a", 300), 1_001)
    assert playout.heard_ms("a", 1_001) == 1
    assert playout.drained_at_ms() == 1_300


def test_late_word_corrects_a_cut_within_half_a_second():
    playout = Playout(capabilities(has_flush=True, has_ack=True))
    playout.enqueue("a", audio(1_000))
    playout.due(0)
    interruption = playout.interrupt(230)
    assert interruption is not None
    # Marks take their time to come, and the flush takes its own: together 60 ms in which more is heard.
    assert interruption.cuts == (Cut("a", 210, 1_000, 80),)
    # 100 ms were heard at 250 only: 70 ms later than was thought.
    assert playout.acknowledge(played("a", 100), 250) == Cut("a", 140, 1_000, 80)
    assert playout.acknowledge(played("a", 100), 250) is None
    assert playout.acknowledge(played("a", 300), 230 + LATE_ACK_MS + 1) is None


def test_dropped_audio_was_not_heard():
    playout = Playout(capabilities(has_flush=True, has_ack=True))
    playout.enqueue("a", audio(1_000))
    for now_ms in range(0, 800, 10):
        playout.due(now_ms)
    interruption = playout.interrupt(800)
    assert interruption is not None
    assert interruption.cuts[0].heard_ms == 780
    # These may have been played, and their marks under way when the flush left.
    assert playout.acknowledge(dropped("a", 700), 820) is None
    assert playout.acknowledge(dropped("a", 780 - UNDER_WAY_MS), 821) is None
    assert playout.acknowledge(dropped("a", 500), 822) == Cut("a", 500, 1_000, 80)
    assert playout.acknowledge(dropped("a", 600), 823) is None


def test_word_of_nothing_that_was_said_changes_nothing():
    playout = Playout(capabilities(has_ack=True))
    playout.enqueue("a", audio(100))
    assert playout.acknowledge(played("a", 50), 10) is None
    assert playout.acknowledge(played("b", 50), 10) is None
    playout.interrupt(20)
    assert playout.acknowledge(played("a", 50), 30) is None


def test_end_of_an_utterance_follows_its_last_audio():
    playout = Playout(capabilities())
    playout.enqueue("a", audio(150))
    playout.due(0)
    playout.due(40)
    assert playout.due(100) == []
    playout.finish("a")
    assert playout.next_due_at_ms(100) == 100
    assert playout.due(100) == [EndUtterance("a")]
    playout.enqueue("b", audio(100))
    playout.finish("b")
    playout.enqueue("c", audio(100))
    kinds = [piece.item_id if isinstance(piece, EndUtterance) else piece.command for piece in playout.due(200)]
    assert [kind if isinstance(kind, str) else kind.item_id for kind in kinds] == ["b", "b", "c"]


def test_pieces_say_where_in_their_utterance_they_begin():
    playout = Playout(capabilities())
    playout.enqueue("a", audio(250))
    playout.finish("a")
    assert [piece.command.offset_ms for piece in pieces(playout, 0)] == [0, 100, 200]


@given(st.integers(0, 400), st.integers(5, 40), st.sampled_from([20, 100]))
def test_estimate_stays_near_the_truth(link_ms, seconds_tenth, mark_every_ms):
    """A vendor that plays at once what comes, `link_ms` after it left, and tells each mark as it is heard."""
    length_ms = seconds_tenth * 100
    playout = Playout(capabilities(link_ms=80, has_ack=True))
    playout.enqueue("a", audio(length_ms))
    playout.finish("a")
    true_end_ms, told_ms = 0.0, 0
    for now_ms in range(0, length_ms + link_ms + 1, 10):
        for piece in pieces(playout, now_ms):
            start_ms = max(now_ms + link_ms, true_end_ms)
            true_end_ms = start_ms + len(piece.command.pcm) / 16
        heard_ms = max(0, now_ms - link_ms)
        while heard_ms >= told_ms + mark_every_ms:
            told_ms += mark_every_ms
            playout.acknowledge(played("a", told_ms), now_ms - (heard_ms - told_ms))
        if heard_ms < length_ms:
            error_ms = abs(playout.heard_ms("a", now_ms) - heard_ms)
            assert error_ms <= (1 if told_ms else abs(link_ms - 80))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("enqueue"), st.sampled_from("abc"), st.integers(1, 700)),
            st.tuples(st.just("wait"), st.just(""), st.integers(0, 400)),
            st.tuples(st.sampled_from(["played", "dropped"]), st.sampled_from("abc"), st.integers(-50, 5_000)),
            st.tuples(st.just("interrupt"), st.just(""), st.just(0)),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_a_vendor_that_lies_never_gets_more_than_the_lead(steps, has_flush):
    playout = Playout(capabilities(has_flush=has_flush, has_ack=True))
    now_ms, line_free_ms, received = 0, 0.0, dict.fromkeys("abc", 0.0)
    for verb, item_id, value in steps:
        match verb:
            case "enqueue":
                playout.enqueue(item_id, audio(value))
                received[item_id] += value
            case "wait":
                now_ms += value
            case "interrupt":
                if (interruption := playout.interrupt(now_ms)) is not None and interruption.must_flush:
                    line_free_ms = now_ms
            case _:
                cut = playout.acknowledge(PlaybackAcknowledged(item_id, value, verb == "played"), now_ms)
                assert cut is None or 0 <= cut.heard_ms <= cut.received_ms
        for piece in playout.due(now_ms):
            assert isinstance(piece, SentAudio | EndUtterance)
            if isinstance(piece, SentAudio):
                line_free_ms = max(line_free_ms, now_ms) + len(piece.command.pcm) / 16
                assert line_free_ms - now_ms <= 300 + UNDERRUN_GUARD_MS + 100
        for each in "abc":
            assert 0 <= playout.heard_ms(each, now_ms) <= received[each]
        due_at_ms = playout.next_due_at_ms(now_ms)
        assert due_at_ms is None or due_at_ms > now_ms
