"""What an agent asks for during a call: done beside the conversation, refused where it must be, answered once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bridge.agents.base import Brief, EndCall, ToolCall, Transfer
from bridge.session import Action, ActionResult, AddToDnc, CloseCode, EndedBy, Limits, PrepareTransfer, ScheduleCallback
from bridge.session.requests import LEAVING, NO_TRANSFER, NOT_LISTED, TOO_EARLY, TOO_MANY
from telephony.protocols.events import TransferTarget
from tests.bridge.session.fakes import NOW, MemorySink, ScriptedAgent, ScriptedLeg, WordCodec, play_call
from tests.bridge.session.test_call import says, sentence, talks_forever
from tests.bridge.virtual_time import run

DESKS = tuple(TransferTarget(number, f"desk {number}") for number in ("101", "102", "+84901234567"))
BRIEF = Brief("call-1", transfer_targets=DESKS)
OK = {"ok": True}


def refused(error: str) -> dict[str, object]:
    return {"ok": False, "error": error}


def results(agent: ScriptedAgent) -> dict[str, object]:
    """The results of tool calls by id; a second answer fails."""
    told = [(entry[1], entry[2]) for entry in agent.log if entry[0] == "tool_result"]
    assert len(told) == len(dict(told))
    return dict(told)


async def stays(leg: ScriptedLeg) -> None:
    """A customer who hangs up after a minute and a half."""
    leg.say("open")
    leg.answer("hangup", "bye")
    await leg.silence(90)
    leg.say("bye")


def test_actions_are_performed_and_answered():
    at = NOW + timedelta(days=1)
    call = run(
        play_call(
            stays,
            says(
                ToolCall("t1", "add_to_dnc", {"reason": "asked"}),
                ToolCall("t2", "schedule_callback", {"at": at.isoformat(), "note": "after work"}),
                ToolCall("t3", "schedule_callback", {"at": "soon"}),
            ),
        )
    )
    assert call.sink.actions == [AddToDnc("asked"), ScheduleCallback(at, "after work")]
    answers = results(call.agent)
    assert (answers["t1"], answers["t2"]) == (OK, OK)
    assert "ISO 8601" in str(answers["t3"])


class BreakingSink(MemorySink):
    """Whose code is wrong: asked to act, it raises."""

    async def perform(self, action: Action) -> ActionResult:
        await super().perform(action)
        raise ZeroDivisionError


@pytest.mark.parametrize("wish", [ToolCall("t1", "add_to_dnc", {"reason": "asked"}), Transfer((DESKS[0],), "t1")])
def test_action_whose_code_breaks_ends_the_call_as_broken_and_not_as_left(wish):
    legs, sink = [], BreakingSink()

    async def vendor(leg: ScriptedLeg) -> None:
        legs.append(leg)
        await stays(leg)

    with pytest.raises(ExceptionGroup):
        run(play_call(vendor, says(wish), brief=BRIEF, sink=sink))
    assert [end.ended_by for end in sink.ends] == [EndedBy.BRIDGE_ERROR]
    assert "hangup" in legs[0].words
    assert legs[0].closed_with == CloseCode.INTERNAL


def test_refused_action_is_told_to_the_agent():
    sink = MemorySink(result=ActionResult(ok=False, error="no contact in this call"))
    call = run(play_call(stays, says(ToolCall("t1", "add_to_dnc", {})), sink=sink))
    assert results(call.agent) == {"t1": refused("no contact in this call")}


def test_slow_action_holds_up_neither_audio_nor_the_agent():
    sink = MemorySink(acts_s=60)

    async def agent(self: ScriptedAgent):
        yield ToolCall("t1", "add_to_dnc", {})
        for event in sentence("a", "one moment", 1):
            yield event
        await self.wait_for("tool_result")
        self.log.append(("at", asyncio.get_running_loop().time()))
        yield EndCall()

    call = run(play_call(talks_forever, agent, sink=sink))
    assert call.agent.log[0] == ("played", "a")
    assert results(call.agent)["t1"]["ok"] is False  # type: ignore[index]  # the result is a mapping
    assert call.agent.log[-1] == ("at", 2.0)
    assert len(call.agent.heard) > 16_000


def test_action_begun_is_done_although_the_customer_hangs_up():
    class SlowSink(MemorySink):
        async def perform(self, action):
            await asyncio.sleep(1)
            return await super().perform(action)

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(1)
        leg.say("bye")

    async def agent(_: ScriptedAgent):
        await asyncio.sleep(0.9)
        yield ToolCall("t1", "add_to_dnc", {})
        await asyncio.Event().wait()

    call = run(play_call(vendor, agent, sink=SlowSink()))
    assert call.summary.duration_ms == 1_000
    assert call.sink.actions == [AddToDnc("")]


def test_tool_calls_beyond_the_budget_are_refused():
    async def agent(_: ScriptedAgent):
        for number in range(25):
            yield ToolCall(f"t{number}", "set_disposition", {"disposition": f"d{number}"})
        await asyncio.sleep(61)
        yield ToolCall("late", "set_disposition", {"disposition": "done"})
        await asyncio.Event().wait()

    call = run(play_call(stays, agent))
    answers = results(call.agent)
    assert [id_ for id_, result in answers.items() if result == refused(TOO_MANY)] == [f"t{n}" for n in range(20, 25)]
    assert len(answers) == 26
    assert call.summary.disposition == "done"
    assert call.summary.counters.refused_requests == 5


def test_repeated_tool_call_is_done_once():
    same = ToolCall("t1", "record_answer", {"key": "a", "value": "yes"})
    call = run(play_call(stays, says(same, same)))
    assert len(call.summary.answers) == 1
    assert results(call.agent) == {"t1": OK}
    assert call.summary.counters.bad_agent_events == 1


def test_agent_that_asks_for_more_than_it_takes_answers_to_is_given_up():
    async def agent(_: ScriptedAgent):
        for number in range(1_000):
            yield ToolCall(f"t{number}", "fly_away", {})
        await asyncio.Event().wait()

    call = run(play_call(talks_forever, agent, takes_s=60))
    assert call.summary.ended_by is EndedBy.AGENT_FAILED


def test_hangup_within_the_first_seconds_is_refused():
    async def agent(self: ScriptedAgent):
        yield EndCall(tool_call_id="t1")
        await self.wait_for("tool_result")
        await asyncio.sleep(3)
        yield EndCall(tool_call_id="t2")
        await asyncio.Event().wait()

    call = run(play_call(talks_forever, agent))
    assert results(call.agent) == {"t1": refused(TOO_EARLY), "t2": OK}
    assert call.leg.said_at("hangup") == pytest.approx(3.0, abs=0.05)


def test_hangup_that_cannot_be_refused_is_put_off():
    call = run(play_call(talks_forever, says(EndCall())))
    assert call.leg.said_at("hangup") == pytest.approx(3.0)


@pytest.mark.parametrize(("takes_list", "word"), [(True, "transfer 102 101"), (False, "transfer 102")])
def test_transfer_keeps_the_agents_order_and_those_on_the_list(takes_list, word):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer(word, None)
        await leg.silence(60)

    wish = Transfer(tuple(map(TransferTarget, ("102", "911", "101"))), tool_call_id="t1")
    codec = WordCodec(takes_target_list=takes_list)
    call = run(play_call(vendor, says(*sentence("a", "one moment", 1), wish), codec=codec, brief=BRIEF))
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.TRANSFER, "102")
    assert call.leg.words == [word]
    assert call.sink.actions == [PrepareTransfer((DESKS[1], DESKS[0]))]
    assert results(call.agent) == {"t1": OK}


def test_next_target_is_tried_where_the_vendor_cannot_say_the_first():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("transfer 101", None)
        await leg.silence(60)

    wish = Transfer((DESKS[2], DESKS[0]))
    call = run(play_call(vendor, says(wish), brief=BRIEF, sink=MemorySink(acts_s=0.5)))
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.TRANSFER, "101")
    # Of each the platform learns before the vendor does.
    assert call.sink.actions == [PrepareTransfer((DESKS[2], DESKS[0])), PrepareTransfer((DESKS[0],))]
    assert call.leg.said_at("transfer 101") == pytest.approx(1.0, abs=0.01)


def test_customer_is_told_sorry_where_the_vendor_can_say_no_target():
    call = run(play_call(talks_forever, says(Transfer((DESKS[2],))), brief=BRIEF))
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.AGENT_FAILED, "")
    assert call.leg.words == ["hangup"]
    (turn,) = call.sink.turns
    assert turn.item_id.startswith("bridge-apology")
    assert turn.heard_text == turn.text


@pytest.mark.parametrize("number", ["911", "+84901234568", "0", "101 ", "sip:101@example.org", "101,102", "*21*101#"])
def test_transfer_off_the_list_is_refused_and_the_conversation_goes_on(number, caplog):
    async def agent(self: ScriptedAgent):
        yield Transfer((TransferTarget(number),), tool_call_id="t1")
        await self.wait_for("tool_result")
        for event in sentence("a", "then let us go on", 4):
            yield event
        yield EndCall()

    call = run(play_call(talks_forever, agent, brief=BRIEF))
    assert results(call.agent) == {"t1": refused(NOT_LISTED)}
    assert call.leg.words == ["hangup"]
    assert call.leg.audio_ms == 4_000
    assert call.summary.counters.refused_transfers == 1
    (record,) = [record for record in caplog.records if "transfer refused" in record.message]
    assert number not in record.getMessage()


def test_transfer_is_refused_on_a_line_that_has_none():
    codec = WordCodec(has_transfer=False)
    call = run(play_call(stays, says(Transfer(DESKS, tool_call_id="t1")), codec=codec, brief=BRIEF))
    assert results(call.agent) == {"t1": refused(NO_TRANSFER)}
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP


def test_second_transfer_is_refused():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(10)

    script = says(Transfer(DESKS, tool_call_id="t1"), Transfer(DESKS, tool_call_id="t2"))
    call = run(play_call(vendor, script, brief=BRIEF))
    assert results(call.agent) == {"t1": OK, "t2": refused(LEAVING)}
    assert call.leg.words == ["transfer 101"]


def test_transfer_is_said_once_it_is_prepared():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("transfer 101", None)
        await leg.silence(60)

    for acts_s, said_at_s in ((1.5, 1.5), (60, 2.0)):
        call = run(play_call(vendor, says(Transfer(DESKS)), brief=BRIEF, sink=MemorySink(acts_s=acts_s)))
        assert call.leg.said_at("transfer 101") == pytest.approx(said_at_s, abs=0.01)


def test_socket_is_closed_at_once_where_a_hangup_is_not_confirmed():
    script = says(*sentence("a", "goodbye", 2), EndCall())
    codec = WordCodec(confirms_hangup=False)
    call = run(play_call(talks_forever, script, codec=codec, limits=Limits(min_call_s=0)))
    assert call.leg.words == ["hangup"]
    assert call.summary.duration_ms == pytest.approx(2_080, abs=10)
    assert call.leg.closed_with == 1000
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
