"""The playout clock: the protocol's own vector, pacing, interruption, and what must hold for any schedule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.playout import MAX_QUEUED_MS, UNDERRUN_GUARD_MS, Cut, Heard, Interruption, Playout, SentAudio
from telephony.protocols.events import Capabilities

BYTES_PER_MS = 16


def capabilities(
    *, chunk_ms: int = 100, lead_ms: int = 300, link_ms: int = 80, has_flush: bool = False, has_ack: bool = False
) -> Capabilities:
    return Capabilities(
        in_rate_hz=8_000,
        out_rate_hz=8_000,
        chunk_ms=chunk_ms,
        lead_ms=lead_ms,
        link_ms=link_ms,
        has_flush=has_flush,
        has_playback_ack=has_ack,
        has_dtmf=False,
        has_transfer=True,
        has_hangup=True,
    )


def audio(duration_ms: int) -> bytes:
    return bytes(duration_ms * BYTES_PER_MS)


def sent_ms(playout: Playout, now_ms: float) -> list[float]:
    return [len(sent.command.pcm) / BYTES_PER_MS for sent in pieces(playout, now_ms)]


def pieces(playout: Playout, now_ms: float) -> list[SentAudio]:
    return [sent for sent in playout.due(now_ms) if isinstance(sent, SentAudio)]


@pytest.mark.parametrize(("now_ms", "heard_ms"), [(0, 0), (80, 0), (180, 100), (230, 150), (500, 200)])
def test_heard_follows_the_protocol_vector(now_ms, heard_ms):
    """100 ms sent at 0 and again at 20 over a link of 80 ms."""
    playout = Playout(capabilities())
    playout.enqueue("a", audio(100))
    playout.due(0)
    playout.enqueue("a", audio(100))
    playout.due(20)
    assert playout.heard_ms("a", now_ms) == heard_ms


def test_due_fills_the_lead_then_keeps_real_time():
    playout = Playout(capabilities())
    playout.enqueue("a", audio(1_000))
    assert sent_ms(playout, 0) == [100, 100, 100]
    assert sent_ms(playout, 0) == []
    assert playout.next_due_at_ms(0) == 100
    assert sent_ms(playout, 99) == []
    assert sent_ms(playout, 100) == [100]
    assert playout.next_due_at_ms(100) == 200
    assert sent_ms(playout, 450) == [100, 100, 100]
    assert playout.queued_ms == 300


def test_due_waits_for_a_whole_chunk_unless_the_vendor_runs_dry():
    playout = Playout(capabilities())
    playout.enqueue("a", audio(130))
    assert sent_ms(playout, 0) == [100]
    assert playout.next_due_at_ms(0) == 40
    assert sent_ms(playout, 39) == []
    assert sent_ms(playout, 40) == [30]


def test_due_sends_the_last_part_of_a_finished_utterance_at_once():
    playout = Playout(capabilities())
    playout.enqueue("a", audio(130))
    playout.finish("a")
    assert sent_ms(playout, 0) == [100, 30]


def test_underrun_shifts_what_is_heard():
    playout = Playout(capabilities(link_ms=50))
    playout.enqueue("a", audio(100))
    playout.due(0)
    playout.enqueue("a", audio(100))
    playout.due(1_000)
    assert playout.heard_ms("a", 500) == 100
    assert playout.heard_ms("a", 1_050) == 100
    assert playout.heard_ms("a", 1_100) == 150


def test_utterances_are_reported_once_heard_to_the_end():
    playout = Playout(capabilities())
    for item_id in ("a", "b"):
        playout.enqueue(item_id, audio(100))
        playout.finish(item_id)
    playout.due(0)
    assert playout.next_heard_at_ms() == 180
    assert playout.pop_heard(179) == []
    assert playout.pop_heard(180) == [Heard("a", 80, 180)]
    assert not playout.is_drained(279)
    assert playout.pop_heard(300) == [Heard("b", 180, 280)]
    assert playout.is_drained(300)
    assert playout.next_heard_at_ms() is None


def test_empty_utterance_is_heard_at_once():
    playout = Playout(capabilities())
    playout.enqueue("a", b"")
    playout.finish("a")
    assert playout.pop_heard(5) == [Heard("a", 5, 5)]


def test_a_new_utterance_ends_the_one_before():
    playout = Playout(capabilities())
    playout.enqueue("a", audio(100))
    playout.enqueue("b", audio(100))
    playout.finish("b")
    playout.due(0)
    assert [heard.item_id for heard in playout.pop_heard(1_000)] == ["a", "b"]


@pytest.mark.parametrize(("is_line_gone", "heard_ms"), [(False, 300), (True, 150)])
def test_interrupt_reports_what_is_heard_and_drops_the_rest(is_line_gone, heard_ms):
    playout = Playout(capabilities())
    playout.enqueue("a", audio(1_000))
    playout.finish("a")
    playout.enqueue("b", audio(500))
    playout.due(0)
    # What was sent is played to its end, as long as there is a line.
    assert playout.interrupt(230, is_line_gone=is_line_gone) == Interruption(
        (Cut("a", heard_ms, 1_000, 80), Cut("b", 0, 500, None)), must_flush=False, open_item_id="a"
    )
    assert playout.queued_ms == 0
    playout.enqueue("a", audio(100))
    assert playout.due(230) == []
    assert not playout.is_drained(230)
    assert playout.is_drained(380)


def test_interrupt_with_a_flush_frees_the_line_at_once():
    playout = Playout(capabilities(has_flush=True))
    playout.enqueue("a", audio(1_000))
    playout.due(0)
    interruption = playout.interrupt(200)
    assert interruption is not None
    assert interruption.must_flush
    assert playout.is_drained(200)
    playout.enqueue("b", audio(100))
    assert [sent.heard_from_ms for sent in pieces(playout, 200)] == [280]


def test_interrupt_with_nothing_unheard_is_no_interruption():
    playout = Playout(capabilities())
    assert playout.interrupt(0) is None
    playout.enqueue("a", audio(100))
    playout.finish("a")
    playout.due(0)
    assert playout.interrupt(180) is None


def test_room_ends_at_the_bound():
    playout = Playout(capabilities())
    had_room = []
    for action in (
        lambda: playout.enqueue("a", audio(MAX_QUEUED_MS - 1)),
        lambda: playout.enqueue("a", audio(1)),
        lambda: playout.due(0),
    ):
        action()
        had_room.append(playout.has_room)
    assert had_room == [True, False, True]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.sampled_from("abc"), st.integers(0, 700)),
        st.tuples(st.just("finish"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.integers(0, 400)),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([20, 100, 200]), st.sampled_from([200, 300, 500]), st.sampled_from([0, 60, 180]))
def test_heard_never_exceeds_sent_nor_sent_received_nor_the_lead(steps, chunk_ms, lead_ms, link_ms):
    playout = Playout(capabilities(chunk_ms=chunk_ms, lead_ms=lead_ms, link_ms=link_ms))
    now_ms, received, sent, heard = 0, dict.fromkeys("abc", 0.0), dict.fromkeys("abc", 0.0), dict.fromkeys("abc", 0.0)
    end_ms = 0.0
    for verb, item_id, value in steps:
        if verb == "enqueue":
            playout.enqueue(item_id, audio(value))
            received[item_id] += value
        elif verb == "finish":
            playout.finish(item_id)
        else:
            now_ms += value
        for piece in pieces(playout, now_ms):
            length_ms = len(piece.command.pcm) / BYTES_PER_MS
            assert length_ms <= chunk_ms
            assert piece.heard_from_ms >= max(now_ms + link_ms, end_ms)
            end_ms = piece.heard_from_ms + length_ms
            assert end_ms - link_ms - now_ms <= max(lead_ms, chunk_ms + UNDERRUN_GUARD_MS) + 1
            sent[piece.command.item_id] += length_ms
        for each in "abc":
            now_heard = playout.heard_ms(each, now_ms)
            assert heard[each] <= now_heard <= sent[each] <= received[each]
            heard[each] = now_heard
        due_at_ms = playout.next_due_at_ms(now_ms)
        # A caller that sleeps until then must find work there, or it would spin.
        assert due_at_ms is None or due_at_ms > now_ms
    assert sum(received.values()) - sum(sent.values()) == playout.queued_ms


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 3_000), st.booleans())
def test_interrupt_never_reports_more_than_can_be_heard(lengths_ms, at_ms, has_flush):
    playout = Playout(capabilities(has_flush=has_flush, link_ms=60))
    for length_ms in lengths_ms:
        playout.enqueue("a", audio(length_ms))
    playout.finish("a")
    sent_ms = 0.0
    for now_ms in range(0, at_ms + 1, 20):
        sent_ms += sum(len(piece.command.pcm) / BYTES_PER_MS for piece in pieces(playout, now_ms))
    interruption = playout.interrupt(at_ms)
    if interruption is None:
        assert at_ms >= sum(lengths_ms) + 60
    else:
        (cut,) = interruption.cuts
        assert cut.heard_ms == (int(min(max(0, at_ms - 60), sent_ms)) if has_flush else sent_ms)
        assert playout.current_item_id(at_ms) is None
