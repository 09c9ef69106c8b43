"""Does what one conversation's agent asks for, and sees to it that each of its tool calls is answered once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from bridge.agents.base import EndCall, ToolCall
from bridge.agents.base import Transfer as AgentTransfer
from bridge.session.contracts import Action, ActionResult, EndedBy
from bridge.session.state import (
    LiveCall,
    begin_farewell,
    begin_transfer,
    perform,
    remember_answer,
    set_disposition,
)
from bridge.session.tools import BadToolCall, RecordAnswer, SeenIds, SetDisposition, read_tool_call

logger = logging.getLogger(__name__)

# Takes a tool call's id and its result (see `AgentSession.tool_result`).
Reply: TypeAlias = Callable[[str, Mapping[str, Any]], None]

OK: Final[Mapping[str, Any]] = {"ok": True}
TOO_MANY: Final = "too many requests within a minute; go on with the conversation"
TOO_EARLY: Final = "the call has only just begun; talk to the customer first"
NO_TRANSFER: Final = "calls cannot be transferred on this line"
NOT_LISTED: Final = "nobody of that number is on the list of those you may transfer to"
LEAVING: Final = "the call is ending already"


class AgentRequests:
    """The requests of one conversation."""

    def __init__(self, call: LiveCall, reply: Reply) -> None:
        self._call = call
        self._reply = reply
        self._seen = SeenIds()

    def use_tool(self, tool_call: ToolCall) -> None:
        """Do it or refuse it; what takes time is done beside the conversation."""
        call = self._call
        if not self._is_new(tool_call.tool_call_id):
            return
        if not call.tool_budget.takes(call.now_ms()):
            self._refuse(tool_call.tool_call_id, TOO_MANY)
            return
        try:
            request = read_tool_call(tool_call, call.wall_clock())
        except BadToolCall as error:
            call.counters.bad_agent_events += 1
            self._answer(tool_call.tool_call_id, ActionResult(ok=False, error=str(error)))
            return
        match request:
            case RecordAnswer(key=key, question=question, value=value):
                self._answer(tool_call.tool_call_id, remember_answer(call, key, question, value))
            case SetDisposition(disposition=disposition):
                set_disposition(call, disposition)
                self._answer(tool_call.tool_call_id, ActionResult(ok=True))
            case action:
                call.begin_errand(self._perform(tool_call.tool_call_id, action))

    def end_call(self, wish: EndCall) -> None:
        """Hang up once the agent was heard. An agent that can be told so is kept from hanging up at once."""
        call = self._call
        if not self._is_new(wish.tool_call_id):
            return
        not_before_ms = call.limits.min_call_s * 1000
        if wish.tool_call_id and call.now_ms() < not_before_ms and call.watch.farewell is None:
            self._refuse(wish.tool_call_id, TOO_EARLY)
            return
        begin_farewell(call, EndedBy.AGENT_HANGUP, call.limits.drain_s, not_before_ms=not_before_ms)
        self._answer(wish.tool_call_id, ActionResult(ok=True))

    def transfer(self, wish: AgentTransfer) -> None:
        """Hand the customer to those of the wanted who are on the list, or refuse."""
        call = self._call
        if not self._is_new(wish.tool_call_id):
            return
        listed = {target.number: target for target in call.brief.transfer_targets}
        targets = tuple(listed[wanted.number] for wanted in wish.targets if wanted.number in listed)
        if not call.tool_budget.takes(call.now_ms()):
            self._refuse(wish.tool_call_id, TOO_MANY)
        elif call.watch.farewell is not None:
            self._refuse(wish.tool_call_id, LEAVING)
        elif not targets:
            # A model may have been talked into it (toll fraud): to be seen, without the number that was asked for.
            call.counters.refused_transfers += 1
            logger.warning("transfer refused: not on the list", extra={"call_id": call.brief.call_id})
            self._refuse(wish.tool_call_id, NOT_LISTED)
        elif wish.tool_call_id and not call.codec.capabilities.has_transfer:
            self._refuse(wish.tool_call_id, NO_TRANSFER)
        else:
            begin_transfer(call, targets, EndedBy.TRANSFER)
            self._answer(wish.tool_call_id, ActionResult(ok=True))

    def _is_new(self, tool_call_id: str) -> bool:
        if self._seen.is_new(tool_call_id):
            return True
        self._call.counters.bad_agent_events += 1
        return False

    async def _perform(self, tool_call_id: str, action: Action) -> None:
        self._answer(tool_call_id, await perform(self._call, action))

    def _refuse(self, tool_call_id: str, error: str) -> None:
        self._call.counters.refused_requests += 1
        self._answer(tool_call_id, ActionResult(ok=False, error=error))

    def _answer(self, tool_call_id: str, result: ActionResult) -> None:
        if tool_call_id:
            self._reply(tool_call_id, OK if result.ok else {"ok": False, "error": result.error})
