"""The conversation's state machine: what the server says and the bridge does, and what follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import (
    Audio,
    AudioDone,
    EndCall,
    Failed,
    Said,
    Speaker,
    ToolCall,
    Transcript,
    Transfer,
    UserSpeech,
)
from bridge.agents.openai_realtime import events
from bridge.agents.openai_realtime.conversation import (
    RESUME_AFTER_MS,
    UNANSWERED_MS,
    Conversation,
    Reaction,
)
from bridge.agents.openai_realtime.events import (
    AudioCommitted,
    AudioDelta,
    AudioFinished,
    CustomerTranscribed,
    FunctionCall,
    ItemAdded,
    ResponseCreated,
    ResponseDone,
    ServerError,
    SpeechStarted,
    SpeechStopped,
    Usage,
    WordsDelta,
    WordsFinished,
)
from bridge.agents.openai_realtime.tools import ToolBox
from telephony.protocols.events import TransferTarget

TENTH = bytes(4_800)  # 100 ms of PCM16 at 24 kHz
SALES = TransferTarget("101", "Sales")


def conversation() -> Conversation:
    talk = Conversation(ToolBox(transfer_targets=(SALES,)), rate_hz=24_000, sample_bytes=2)
    talk.open((), None)
    return talk


def said(reaction: Reaction | None) -> list[Any]:
    """The messages to the server, short: the type and what it is about."""
    short = []
    for message in map(json.loads, reaction.messages if reaction else []):
        item = message.get("item", {})
        about = [
            message.get("response_id"),
            message.get("item_id"),
            message.get("audio_end_ms"),
            item.get("call_id"),
            json.loads(item["output"])["ok"] if "output" in item else None,
        ]
        short.append((message["type"].rpartition(".")[2], *[each for each in about if each is not None]))
    return short


def done(response_id: str, status: str = "completed", code: str = "") -> ResponseDone:
    return ResponseDone(response_id, status, code, Usage(10, 4, 5))


def speaking(*item_ids: str, tenths: int = 4) -> Conversation:
    """A conversation in which one response has spoken these items, and is still under way."""
    talk = conversation()
    talk.receive(ResponseCreated("r1"))
    for item_id in item_ids:
        for _ in range(tenths):
            talk.receive(AudioDelta("r1", item_id, TENTH))
    return talk


def feed(talk: Conversation, duration_ms: int) -> tuple[list[Any], list[Any]]:
    """Pass customer audio in 100 ms pieces: the events and messages that follow."""
    found, messages = [], []
    for _ in range(duration_ms // 100):
        reaction = talk.fed(100)
        if reaction is not None:
            found += reaction.events
            messages += said(reaction)
    return found, messages


def test_the_agent_that_speaks_first_is_asked_to():
    talk = Conversation(ToolBox(), rate_hz=24_000, sample_bytes=2)
    (message,) = talk.open((), "Greet.").messages
    assert json.loads(message)["response"] == {"instructions": "Greet."}


def test_what_was_said_before_is_told_before_the_first_response():
    talk = Conversation(ToolBox(), rate_hz=24_000, sample_bytes=2)
    history = (Said(Speaker.AGENT, "Are you content?"), Said(Speaker.CUSTOMER, "Yes"))
    messages = [json.loads(message) for message in talk.open(history, "Go on.").messages]
    assert [(m["item"]["role"], m["item"]["content"][0]["text"]) for m in messages[:2]] == [
        ("assistant", "Are you content?"),
        ("user", "Yes"),
    ]
    assert messages[2]["type"] == "response.create"


def test_audio_and_words_pass_with_their_item():
    talk = speaking(tenths=0)
    assert talk.receive(WordsDelta("r1", "a", "Hel")).events == [Transcript(Speaker.AGENT, "a", "Hel", is_final=False)]
    assert talk.receive(AudioDelta("r1", "a", TENTH)).events == [Audio("a", TENTH)]
    assert talk.receive(AudioFinished("r1", "a")).events == [AudioDone("a")]
    assert talk.receive(WordsFinished("r1", "a", "Hello")).events == [Transcript(Speaker.AGENT, "a", "Hello")]
    assert talk.receive(WordsDelta("r1", "a", "late")).events == []
    assert talk.receive(AudioFinished("r1", "a")).events == []
    assert talk.receive(done("r1")).events == []


def test_a_sample_cut_in_two_is_put_together():
    talk = speaking(tenths=0)
    assert talk.receive(AudioDelta("r1", "a", b"\1\2\3")).events == [Audio("a", b"\1\2")]
    assert talk.receive(AudioDelta("r1", "a", b"\4")).events == [Audio("a", b"\3\4")]
    assert talk.receive(AudioDelta("r1", "a", b"\5")).events == []


def test_a_response_that_ends_early_ends_its_items():
    talk = speaking("a")
    assert talk.receive(done("r1", "incomplete")).events == [AudioDone("a")]


@pytest.mark.parametrize(
    ("heard_ms", "told"),
    [
        (250, ("truncate", "a", 150)),
        (400, ("truncate", "a", 300)),
        (900, ("truncate", "a", 300)),
        (60, ("truncate", "a", 1)),
        (0, ("delete", "a")),
    ],
)
def test_an_interruption_stops_the_response_and_forgets_what_was_not_heard(heard_ms, told):
    talk = speaking("a")
    assert said(talk.interrupt("a", heard_ms)) == [("cancel", "r1"), told]
    assert talk.receive(AudioDelta("r1", "a", TENTH)).events == []
    assert talk.receive(AudioDelta("r1", "b", TENTH)).events == []
    assert talk.receive(WordsDelta("r1", "a", "late")).events == []
    assert said(talk.interrupt("a", heard_ms)) == []


def test_received_is_counted_by_item_and_by_format():
    talk = Conversation(ToolBox(), rate_hz=8_000, sample_bytes=1)
    talk.receive(ResponseCreated("r1"))
    talk.receive(AudioDelta("r1", "a", bytes(8_000)))
    talk.receive(AudioDelta("r1", "b", bytes(1_600)))
    assert said(talk.interrupt("b", 5_000)) == [("cancel", "r1"), ("truncate", "b", 100)]


def test_what_was_said_before_the_cancellation_arrived_is_forgotten_too():
    talk = speaking("a")
    talk.interrupt("a", 300)
    for item_id in ("a", "b", "b", "c"):
        assert talk.receive(AudioDelta("r1", item_id, TENTH)).events == []
    assert said(talk.receive(done("r1"))) == [("delete", "b"), ("delete", "c")]
    assert said(talk.receive(done("r1"))) == []


def test_several_items_are_cut_and_the_response_is_cancelled_once():
    talk = speaking("a", "b")
    assert said(talk.interrupt("a", 300)) == [("cancel", "r1"), ("truncate", "a", 200)]
    assert said(talk.interrupt("b", 0)) == [("delete", "b")]


def test_nothing_is_cancelled_once_the_response_is_done():
    talk = speaking("a")
    talk.receive(done("r1"))
    assert said(talk.interrupt("a", 300)) == [("truncate", "a", 200)]


@pytest.mark.parametrize("item_id", ["bridge-apology-1", "never-said"])
def test_items_of_others_are_no_interruption(item_id):
    assert said(speaking("a").interrupt(item_id, 100)) == []


def test_what_was_heard_to_its_end_is_not_cut():
    talk = speaking("a")
    talk.played("a")
    assert said(talk.interrupt("a", 400)) == []


def test_speech_alone_truncates_nothing():
    talk = conversation()
    reaction = talk.receive(SpeechStarted("u", 320))
    assert (reaction.events, reaction.messages) == ([UserSpeech(True, 320)], [])
    assert talk.receive(SpeechStopped("u", 900)).events == [UserSpeech(False, 900)]


def test_a_response_asked_for_before_the_interruption_is_cancelled_when_it_begins():
    talk = speaking("a")
    talk.receive(FunctionCall("r1", "c", "add_to_dnc", "{}"))
    talk.receive(done("r1"))
    assert said(talk.tool_result("c", {"ok": True})) == [("create", "c", True), ("create",)]
    talk.interrupt("a", 300)
    assert said(talk.receive(ResponseCreated("r2"))) == [("cancel", "r2")]
    assert talk.receive(AudioDelta("r2", "b", TENTH)).events == []


def test_an_interruption_nobody_follows_up_lets_the_agent_go_on():
    talk = speaking("a")
    talk.interrupt("a", 300)
    talk.receive(done("r1", "cancelled"))
    assert feed(talk, RESUME_AFTER_MS - 200) == ([], [])
    assert feed(talk, 400) == ([], [("create",)])


def test_an_interruption_by_speech_waits_for_the_customer():
    talk = speaking("a")
    talk.receive(SpeechStarted("u", 100))
    talk.interrupt("a", 300)
    talk.receive(done("r1", "cancelled"))
    assert feed(talk, 10_000) == ([], [])


def test_transcripts_of_the_customer_come_in_the_order_of_speaking():
    talk = conversation()
    for number, previous in ((1, "a0"), (2, "a1")):
        talk.receive(SpeechStarted(f"u{number}", number * 1_000))
        talk.receive(SpeechStopped(f"u{number}", number * 1_000 + 500))
        talk.receive(AudioCommitted(f"u{number}", previous))
        talk.receive(ItemAdded(f"a{number}", f"u{number}"))
    assert talk.receive(CustomerTranscribed("u2", "two")).events == []
    assert talk.receive(CustomerTranscribed("u1", "one")).events == [
        Transcript(Speaker.CUSTOMER, "u1", "one", start_ms=1_000, end_ms=1_500),
        Transcript(Speaker.CUSTOMER, "u2", "two", start_ms=2_000, end_ms=2_500),
    ]


def test_overdue_transcripts_come_with_the_audio_clock_and_at_the_end():
    talk = conversation()
    for number in (1, 2):
        talk.receive(AudioCommitted(f"u{number}", f"u{number - 1}"))
    talk.receive(CustomerTranscribed("u2", "two"))
    found, _ = feed(talk, 6_000)
    assert [words.text for words in found] == ["two"]
    talk.receive(AudioCommitted("u3", "u2"))
    talk.receive(CustomerTranscribed("u3", "three"))
    assert [words.text for words in talk.rest()] == ["three"]


def test_a_tool_call_is_asked_for_once_and_answered_once():
    talk = speaking("a")
    arguments = '{"key": "k", "value": "v"}'
    assert talk.receive(FunctionCall("r1", "c", "record_answer", None)).events == []
    reaction = talk.receive(FunctionCall("r1", "c", "", arguments))
    assert reaction.events == [ToolCall("c", "record_answer", {"key": "k", "question": "", "value": "v"})]
    assert talk.receive(FunctionCall("r1", "c", "record_answer", arguments)).events == []
    assert said(talk.tool_result("c", {"ok": True})) == [("create", "c", True)]
    assert said(talk.tool_result("c", {"ok": True})) == []
    # Only now may the next response be asked for.
    assert said(talk.receive(done("r1"))) == [("create",)]


def test_the_model_speaks_on_once_after_all_results():
    talk = speaking("a")
    talk.receive(FunctionCall("r1", "c1", "add_to_dnc", "{}"))
    talk.receive(FunctionCall("r1", "c2", "add_to_dnc", "{}"))
    talk.receive(done("r1"))
    assert said(talk.tool_result("c1", {"ok": True})) == [("create", "c1", True)]
    assert said(talk.tool_result("c2", {"ok": False})) == [("create", "c2", False), ("create",)]


@pytest.mark.parametrize(("name", "arguments"), [("record_answer", '{"key'), ("fly", "{}"), ("transfer", "{}")])
def test_a_call_that_cannot_be_obeyed_is_answered_and_never_run(name, arguments):
    talk = speaking("a")
    reaction = talk.receive(FunctionCall("r1", "c", name, arguments))
    assert (reaction.events, said(reaction)) == ([], [("create", "c", False)])
    assert said(talk.receive(done("r1"))) == [("create",)]


def test_a_result_that_never_comes_is_answered_for():
    talk = speaking("a")
    talk.receive(FunctionCall("r1", "c", "add_to_dnc", "{}"))
    talk.receive(done("r1"))
    assert feed(talk, 9_000) == ([], [])
    assert feed(talk, 2_000) == ([], [("create", "c", False), ("create",)])


@pytest.mark.parametrize(
    ("name", "arguments", "parting"),
    [
        ("end_call", '{"reason": "done"}', EndCall("done", "c")),
        ("transfer", '{"target": "Sales"}', Transfer((SALES,), "c")),
    ],
)
def test_parting_waits_for_the_whole_farewell(name, arguments, parting):
    talk = speaking("a")
    assert talk.receive(FunctionCall("r1", "c", name, arguments)).events == []
    assert talk.receive(AudioDelta("r1", "b", TENTH)).events == [Audio("b", TENTH)]
    assert talk.receive(done("r1")).events == [AudioDone("a"), AudioDone("b"), parting]
    assert said(talk.tool_result("c", {"ok": True})) == [("create", "c", True)]
    # What the server begins by itself is not wanted any more.
    assert said(talk.receive(ResponseCreated("r2"))) == [("cancel", "r2")]


def test_a_refused_parting_goes_on():
    talk = speaking("a")
    talk.receive(FunctionCall("r1", "c", "end_call", "{}"))
    talk.receive(done("r1"))
    assert said(talk.tool_result("c", {"ok": False, "error": "too early"})) == [("create", "c", False), ("create",)]


def test_a_farewell_that_is_interrupted_does_not_part():
    talk = speaking("a")
    talk.receive(FunctionCall("r1", "c", "end_call", "{}"))
    talk.receive(SpeechStarted("u", 0))
    talk.interrupt("a", 200)
    reaction = talk.receive(done("r1", "cancelled"))
    assert (reaction.events, said(reaction)) == ([], [("create", "c", False)])


def test_a_call_of_a_cut_response_is_answered_but_not_run():
    talk = speaking("a")
    talk.interrupt("a", 200)
    assert talk.receive(FunctionCall("r1", "c", "add_to_dnc", "{}")).events == []
    reaction = talk.receive(done("r1", "cancelled"))
    assert (reaction.events, said(reaction)) == ([], [("create", "c", False)])


def test_keys_are_told_together_after_a_pause():
    talk = conversation()
    for digit in "12":
        assert talk.key(digit).messages == []
    found, messages = feed(talk, 2_000)
    assert [words.text for words in found] == ["[key 1 2]"]
    assert messages == [("create",), ("create",)]


def test_a_hash_ends_the_keys_at_once():
    talk = conversation()
    talk.key("7")
    reaction = talk.key("#")
    assert b"7 #" in reaction.messages[0]
    assert said(reaction) == [("create",), ("create",)]


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        ("insufficient_quota", Failed("insufficient_quota", retryable=False)),
        ("invalid_api_key", Failed("invalid_api_key", retryable=False)),
        ("model_not_found", Failed("model_not_found", retryable=False)),
        ("beta_api_shape_disabled", Failed("beta_api_shape_disabled", retryable=False)),
        ("session_expired", Failed("session_expired", retryable=True)),
        ("rate_limit_exceeded", Failed("rate_limit_exceeded", retryable=True)),
    ],
)
def test_errors_after_which_nothing_goes_on(code, failed):
    assert conversation().receive(ServerError(code, "", "")).events == [failed]
    talk = speaking("a")
    assert talk.receive(done("r1", "failed", code)).events[-1] == failed


@pytest.mark.parametrize(
    "code", ["response_cancel_not_active", "input_audio_buffer_commit_empty", "invalid_value", "server_error"]
)
def test_errors_that_change_nothing_are_counted(code):
    talk = speaking("a")
    reaction = talk.receive(ServerError(code, "x", "x"))
    assert (reaction.events, reaction.messages) == ([], [])
    assert talk.ignored_errors == {code: 1}


def test_a_failed_response_is_asked_for_once_more():
    talk = speaking("a")
    assert said(talk.receive(done("r1", "failed", "server_error"))) == [("create",)]
    talk.receive(ResponseCreated("r2"))
    assert talk.receive(done("r2", "failed", "server_error")).events == [Failed("server_error", retryable=True)]


def test_a_good_response_gives_the_next_its_second_chance():
    talk = speaking("a")
    talk.receive(done("r1", "failed", "server_error"))
    talk.receive(ResponseCreated("r2"))
    talk.receive(done("r2"))
    talk.receive(ResponseCreated("r3"))
    reaction = talk.receive(done("r3", "failed", "server_error"))
    assert (reaction.events, said(reaction)) == ([], [("create",)])


def test_a_failed_greeting_is_asked_for_again_as_a_greeting():
    talk = Conversation(ToolBox(), rate_hz=24_000, sample_bytes=2)
    talk.open((), "Greet.")
    talk.receive(ResponseCreated("r1"))
    (message,) = talk.receive(done("r1", "failed", "server_error")).messages
    assert json.loads(message)["response"] == {"instructions": "Greet."}


@pytest.mark.parametrize("event_id", ["respond-1", ""])
def test_a_refused_request_for_a_response_is_repeated_once(event_id):
    talk = Conversation(ToolBox(), rate_hz=24_000, sample_bytes=2)
    talk.open((), "Greet.")
    assert said(talk.receive(ServerError("server_error", event_id, ""))) == [("create",)]
    assert talk.receive(ServerError("server_error", event_id and "respond-2", "")).events == [
        Failed("server_error", retryable=True)
    ]


def test_a_response_under_way_that_we_did_not_see_is_waited_for():
    talk = Conversation(ToolBox(), rate_hz=24_000, sample_bytes=2)
    talk.open((), "Greet.")
    assert said(talk.receive(ServerError("conversation_already_has_active_response", "respond-1", ""))) == []
    assert said(talk.receive(done("r0"))) == [("create",)]


def test_a_request_nobody_answers_is_repeated_then_given_up():
    talk = Conversation(ToolBox(), rate_hz=24_000, sample_bytes=2)
    talk.open((), "Greet.")
    assert feed(talk, UNANSWERED_MS + 200) == ([], [("create",)])
    assert feed(talk, UNANSWERED_MS + 200) == ([Failed("no_response", retryable=True)], [])


def test_tokens_are_added_up_and_unknown_types_counted():
    talk = speaking("a")
    talk.receive(done("r1"))
    talk.receive(ResponseCreated("r2"))
    talk.receive(done("r2"))
    assert talk.usage == Usage(20, 8, 10)
    for number in range(200):
        talk.receive(events.Unknown(f"new.{number % 100}"))
    assert len(talk.unknown_types) == 50
    assert talk.unknown_types["new.0"] == 2


ids = st.sampled_from(["1", "2", "3"])
any_event = st.one_of(
    st.builds(SpeechStarted, ids, st.integers(0, 9)),
    st.builds(SpeechStopped, ids, st.integers(0, 9)),
    st.builds(AudioCommitted, ids, ids),
    st.builds(ItemAdded, ids, ids),
    st.builds(CustomerTranscribed, ids, st.none() | st.text(max_size=3)),
    st.builds(ResponseCreated, ids),
    st.builds(done, ids, st.sampled_from(["completed", "cancelled", "failed", "incomplete"])),
    st.builds(
        FunctionCall, ids, ids, st.sampled_from(["", "end_call", "add_to_dnc", "x"]), st.sampled_from([None, "{}", "{"])
    ),
    st.builds(AudioDelta, ids, ids, st.binary(max_size=5)),
    st.builds(AudioFinished, ids, ids),
    st.builds(WordsDelta, ids, ids, st.text(max_size=3)),
    st.builds(WordsFinished, ids, ids, st.text(max_size=3)),
    st.builds(
        ServerError,
        st.sampled_from(["server_error", "conversation_already_has_active_response"]),
        st.sampled_from(["", "respond-1"]),
        st.just(""),
    ),
)
steps = st.lists(
    st.one_of(
        any_event,
        st.tuples(st.just("interrupt"), ids, st.integers(0, 500)),
        st.tuples(st.just("fed"), st.integers(0, 20_000)),
        st.tuples(st.just("result"), ids, st.booleans()),
        st.tuples(st.just("key"), st.sampled_from("12#")),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_calls_are_answered_once_and_no_two_responses_are_asked_for(taken):
    talk = conversation()
    answered: list[str] = []
    is_asked = False
    told: list[tuple[Speaker, str]] = []
    for step in taken:
        match step:
            case ("interrupt", item_id, heard_ms):
                reaction = talk.interrupt(item_id, heard_ms)
            case ("fed", duration_ms):
                reaction = talk.fed(duration_ms) or Reaction()
                is_asked = is_asked and duration_ms < UNANSWERED_MS
            case ("result", call_id, is_ok):
                reaction = talk.tool_result(call_id, {"ok": is_ok})
            case ("key", digit):
                reaction = talk.key(digit)
            case _:
                reaction = talk.receive(step)
                is_asked = is_asked and not isinstance(step, ResponseCreated | ServerError)
        for message in map(json.loads, reaction.messages):
            if message["type"] == "response.create":
                assert not is_asked
                is_asked = True
            elif message.get("item", {}).get("type") == "function_call_output":
                answered.append(message["item"]["call_id"])
            elif message["type"] == "conversation.item.truncate":
                assert message["audio_end_ms"] >= 1
        told += [
            (e.speaker, e.item_id)
            for e in reaction.events
            if isinstance(e, Transcript) and e.speaker is Speaker.CUSTOMER and not e.item_id.startswith("key")
        ]
    assert len(answered) == len(set(answered))
    assert len(told) == len(set(told))
