"""The state the pumps of one call share. Decisions that need two of them are functions here; none waits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.agents.base import BargeIn, Brief, Speaker, Transcript
from bridge.agents.prompt_library import PromptLibrary, PromptMissing
from bridge.audio.recorder import Recorder
from bridge.audio.resample import Method, Resampler
from bridge.audio.vad import RATES_HZ as EAR_RATES_HZ
from bridge.audio.vad import SpeechDetector
from bridge.playout import Playout
from bridge.session.alarm import Alarm
from bridge.session.contracts import (
    Action,
    ActionResult,
    Answer,
    Clock,
    CloseCode,
    Counters,
    EndedBy,
    Findings,
    Leg,
    Limits,
    PrepareTransfer,
    Sink,
    WallClock,
)
from bridge.session.guard import InboundGuard
from bridge.session.inbox import AgentInbox, Interrupted
from bridge.session.tools import ToolBudget
from bridge.session.turns import OWN_ITEM_PREFIX, TurnBook
from bridge.session.watch import Farewell, Watch
from telephony.protocols.events import EndUtterance, Flush, Hangup, Transfer, TransferTarget, VendorCodec, WireMessage

logger = logging.getLogger(__name__)

MAX_ANSWERS: Final = 200


class CallOver(Exception):
    """Raised by the pump that saw the end first; its siblings are cancelled."""

    def __init__(self, ended_by: EndedBy, close_code: int = CloseCode.NORMAL, detail: str = "") -> None:
        super().__init__(ended_by)
        self.ended_by = ended_by
        self.close_code = close_code
        self.detail = detail


@dataclass(slots=True)
class LiveCall:
    """One call while it lives."""

    leg: Leg
    codec: VendorCodec
    brief: Brief
    limits: Limits
    clock: Clock
    wall_clock: WallClock
    sink: Sink
    # Outlives the pumps: what was begun for the customer is not lost because the line is.
    errands: asyncio.TaskGroup
    recorder: Recorder | None
    started_s: float
    prompts: PromptLibrary
    resampler: Method
    playout: Playout
    watch: Watch
    guard: InboundGuard
    turns: TurnBook
    inbox: AgentInbox
    ear: SpeechDetector | None
    wake: Alarm
    # For audio that comes at another rate than the vendor's capabilities say.
    from_odd_rate: Resampler | None = None
    counters: Counters = field(default_factory=Counters)
    urgent: deque[Flush | EndUtterance] = field(default_factory=deque)
    # Messages that the socket did not take at once.
    unsent: deque[WireMessage] = field(default_factory=deque)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    tool_budget: ToolBudget = field(default_factory=ToolBudget)
    barge_in: BargeIn = BargeIn.BRIDGE
    answers: list[Answer] = field(default_factory=list)
    disposition: str = ""
    transferred_to: str = ""
    # Adds to ms of the audio the agent was given to make ms of the call.
    agent_offset_ms: float = 0.0
    # Two people talk, and nobody else says anything.
    is_listening: bool = False
    is_agent_gone: bool = False
    is_agent_broken: bool = False
    is_closed_by_vendor: bool = False
    is_errand_broken: bool = False
    prompts_said: int = 0

    def now_ms(self) -> float:
        """The call's clock."""
        return (self.clock() - self.started_s) * 1000

    def begin_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do this beside the conversation, to its end even where the line is lost; if it breaks, so does the call."""
        self.errands.create_task(self._run_errand(errand))

    async def _run_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        try:
            await errand
        except Exception:  # not handled: told, and raised on
            # Whoever is cancelled for it must not take that for the process's leaving.
            self.is_errand_broken = True
            raise


def open_call(
    leg: Leg,
    codec: VendorCodec,
    brief: Brief,
    limits: Limits,
    clock: Clock,
    wall_clock: WallClock,
    sink: Sink,
    errands: asyncio.TaskGroup,
    *,
    recorder: Recorder | None,
    resampler: Method,
) -> LiveCall:
    """The state of a call whose socket was just accepted."""
    capabilities = codec.capabilities
    has_ear = capabilities.in_rate_hz in EAR_RATES_HZ
    return LiveCall(
        leg=leg,
        codec=codec,
        brief=brief,
        limits=limits,
        clock=clock,
        wall_clock=wall_clock,
        sink=sink,
        errands=errands,
        recorder=recorder,
        started_s=clock(),
        prompts=PromptLibrary(own=brief.prompts),
        resampler=resampler,
        playout=Playout(capabilities),
        watch=Watch(limits),
        guard=InboundGuard(limits, capabilities.messages_per_s),
        turns=TurnBook(sink.turn),
        inbox=AgentInbox(capabilities.in_rate_hz, limits.inbound_queue_ms),
        ear=SpeechDetector(capabilities.in_rate_hz, onset_ms=limits.barge_in_ms) if has_ear else None,
        wake=Alarm(clock),
    )


def barge_in(call: LiveCall) -> None:
    """The customer speaks: stop the agent, unless it has been heard or is saying goodbye."""
    if call.watch.farewell is None and _hush(call):
        call.counters.interruptions += 1


def _hush(call: LiveCall) -> bool:
    """Drop what the customer has not heard yet, and tell everyone; False where all was heard."""
    now_ms = call.now_ms()
    interruption = call.playout.interrupt(now_ms)
    if interruption is None:
        return False
    for cut in interruption.cuts:
        call.turns.agent_cut(cut, now_ms)
        if not cut.item_id.startswith(OWN_ITEM_PREFIX):
            call.inbox.put(Interrupted(cut.item_id, cut.heard_ms))
    if interruption.must_flush:
        call.urgent.append(Flush())
        if call.recorder is not None:
            call.recorder.agent_cut(now_ms)
    elif interruption.open_item_id is not None:
        call.urgent.append(EndUtterance(interruption.open_item_id))
    call.room.set()
    call.wake.set()
    return True


def begin_farewell(call: LiveCall, ended_by: EndedBy, drain_s: float, *, not_before_ms: float = 0.0) -> None:
    """Decide to hang up: the agent is heard out for at most `drain_s`, then the vendor is told.

    The first decision stands.
    """
    if call.watch.farewell is None:
        latest_ms = call.now_ms() + drain_s * 1000
        wait_ms = call.limits.closed_wait_s * 1000
        call.watch.farewell = Farewell(Hangup(), ended_by, latest_ms, wait_ms, earliest_ms=not_before_ms)
        call.wake.set()


def begin_transfer(call: LiveCall, targets: tuple[TransferTarget, ...], ended_by: EndedBy) -> None:
    """Decide to hand the customer to one of `targets`, in this order, once the agent was heard. At least one.

    The platform learns of it before the vendor does: a vendor may ask back over HTTP. The first decision stands.
    """
    if call.watch.farewell is not None:
        return
    takes_all = call.codec.capabilities.takes_target_list
    call.watch.farewell = farewell = Farewell(
        Transfer(targets if takes_all else targets[:1]),
        ended_by,
        latest_ms=call.now_ms() + call.limits.drain_s * 1000,
        wait_ms=call.limits.transfer_wait_s * 1000,
        others=() if takes_all else targets[1:],
    )
    prepare_transfer(call, farewell, targets)


def prepare_transfer(call: LiveCall, farewell: Farewell, targets: tuple[TransferTarget, ...]) -> None:
    """Have the platform note to whom the customer is handed; the farewell waits for that."""
    farewell.is_prepared = False
    call.begin_errand(_prepare(call, farewell, targets))
    call.wake.set()


async def _prepare(call: LiveCall, farewell: Farewell, targets: tuple[TransferTarget, ...]) -> None:
    result = await perform(call, PrepareTransfer(targets))
    if not result.ok:
        logger.warning("transfer not prepared: %s", result.error, extra={"call_id": call.brief.call_id})
    farewell.is_prepared = True
    call.wake.set()


async def perform(call: LiveCall, action: Action) -> ActionResult:
    """Have it done within `Limits.action_s`."""
    try:
        async with asyncio.timeout(call.limits.action_s):
            return await call.sink.perform(action)
    except TimeoutError:
        return ActionResult(ok=False, error="it could not be done in time; it may be tried again")


def say_prompt(call: LiveCall, name: str) -> None:
    """Queue a recorded prompt of the bridge itself; without the recording the call goes on in silence.

    In a call that is only listened to nothing is said.
    """
    if call.is_listening:
        return
    try:
        prompt = call.prompts.get(name)
    except PromptMissing as error:
        logger.warning("prompt not played: %s", error)
        return
    call.prompts_said += 1
    item_id = f"{OWN_ITEM_PREFIX}{name}-{call.prompts_said}"
    resampler = Resampler(prompt.pcm.rate_hz, call.codec.capabilities.out_rate_hz, call.resampler)
    call.playout.enqueue(item_id, resampler.process(prompt.pcm.samples) + resampler.flush())
    call.playout.finish(item_id)
    call.turns.agent_said(Transcript(Speaker.AGENT, item_id, prompt.text))
    call.wake.set()


def fail_agent(call: LiveCall, reason: str) -> None:
    """The agent cannot go on: hand the customer to the brief's fallback, or apologise and hang up."""
    logger.warning("agent failed: %s", reason, extra={"call_id": call.brief.call_id})
    call.is_agent_gone = True
    if call.watch.farewell is not None:
        return
    _hush(call)
    wanted = call.brief.config.get("fallback_transfer")
    fallback = tuple(target for target in call.brief.transfer_targets if target.number == wanted)[:1]
    if fallback and call.codec.capabilities.has_transfer:
        say_prompt(call, "transferring")
        begin_transfer(call, fallback, EndedBy.AGENT_FAILED)
        return
    say_prompt(call, "apology")
    begin_farewell(call, EndedBy.AGENT_FAILED, call.limits.drain_s)


def stop_for_drain(call: LiveCall) -> None:
    """The process is leaving: end the call politely and soon."""
    if call.watch.farewell is not None:
        return
    _hush(call)
    say_prompt(call, "apology")
    begin_farewell(call, EndedBy.DRAIN, call.limits.goodbye_s)


def remember_answer(call: LiveCall, key: str, question: str, value: str) -> ActionResult:
    """Keep what the agent learned; beyond a bound a runaway agent is no longer listened to."""
    if len(call.answers) >= MAX_ANSWERS:
        return ActionResult(ok=False, error=f"no more than {MAX_ANSWERS} answers are kept")
    call.answers.append(Answer(key, question, value, round(call.now_ms())))
    _tell_findings(call)
    return ActionResult(ok=True)


def set_disposition(call: LiveCall, disposition: str) -> None:
    """Keep what the conversation has achieved; the last word of the agent stands."""
    call.disposition = disposition
    _tell_findings(call)


def _tell_findings(call: LiveCall) -> None:
    # At once, and not only with the summary: a process that dies must not take a "never call me again" with it.
    call.sink.learned(Findings(tuple(call.answers), call.disposition))
