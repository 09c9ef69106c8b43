"""The tool calls of one conversation: each is answered exactly once, whatever became of it. Pure.

A call without an answer spoils all later turns of the model. Time is ms of the customer's audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.agents.base import EndCall, ToolCall, Transfer
from bridge.agents.openai_realtime import wire
from bridge.agents.openai_realtime.events import FunctionCall
from bridge.agents.openai_realtime.tools import BadArguments, ToolBox

# The session answers within two seconds; this is for one that does not.
RESULT_DEADLINE_MS: Final = 10_000
MAX_REMEMBERED: Final = 128


@dataclass(slots=True)
class _Call:
    response_id: str
    name: str
    is_complete: bool = False
    is_answered: bool = False
    parting: EndCall | Transfer | None = None
    asked_at_ms: float | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the session was asked and has not answered."""
        return self.asked_at_ms is not None and not self.is_answered


class ToolCalls:
    """What the model asked for, and what became of it."""

    def __init__(self, tools: ToolBox) -> None:
        self._tools = tools
        self._calls: dict[str, _Call] = {}

    @property
    def are_pending(self) -> bool:
        """Whether a result is awaited after which the model should speak on."""
        return any(call.is_pending and call.parting is None for call in self._calls.values())

    @property
    def is_parting(self) -> bool:
        """Whether the model asked to hang up or to transfer, and was not refused."""
        return any(call.parting is not None and call.asked_at_ms is not None for call in self._calls.values())

    def seen(self, event: FunctionCall, now_ms: float) -> tuple[ToolCall | None, bytes | None]:
        """A call, or more of it: what to ask of the session now, and the answer to a call that cannot be obeyed.

        A wish to part waits for the end of its response, so that the farewell is complete.
        """
        call = self._calls.get(event.call_id)
        if call is None:
            self._forget_oldest()
            call = self._calls[event.call_id] = _Call(event.response_id, event.name)
        call.name = call.name or event.name
        if event.arguments is None or not call.name or call.is_complete:
            return None, None
        call.is_complete = True
        try:
            wish = self._tools.wish(event.call_id, call.name, event.arguments)
        except BadArguments as error:
            return None, self._answer(event.call_id, call, _refusal(str(error)))
        if isinstance(wish, ToolCall):
            call.asked_at_ms = now_ms
            return wish, None
        call.parting = wish
        return None, None

    def response_done(
        self, response_id: str, now_ms: float, *, was_cut: bool
    ) -> tuple[list[EndCall | Transfer], list[bytes]]:
        """The response is over: the partings it asked for, and the answers to calls that will not be obeyed."""
        partings, answers = [], []
        for call_id, call in self._calls.items():
            if call.response_id != response_id or call.is_answered or call.asked_at_ms is not None:
                continue
            if call.parting is None or was_cut:
                call.parting = None
                answers.append(self._answer(call_id, call, _refusal("it was not done; go on with the call")))
            else:
                call.asked_at_ms = now_ms
                partings.append(call.parting)
        return partings, answers

    def result(self, call_id: str, result: Mapping[str, Any]) -> bytes | None:
        """What came of a call; None where it was answered before, or is not known."""
        call = self._calls.get(call_id)
        if call is None or call.is_answered:
            return None
        if call.parting is not None and not result.get("ok"):
            call.parting = None
        return self._answer(call_id, call, result)

    def overdue(self, now_ms: float) -> list[bytes]:
        """Answers to calls of which nothing was heard."""
        return [
            self._answer(call_id, call, _refusal("no result in time"))
            for call_id, call in self._calls.items()
            if call.is_pending
            and call.parting is None
            and call.asked_at_ms is not None
            and call.asked_at_ms + RESULT_DEADLINE_MS <= now_ms
        ]

    def _answer(self, call_id: str, call: _Call, output: Mapping[str, Any]) -> bytes:
        call.is_answered = True
        return wire.add_tool_output(call_id, output)

    def _forget_oldest(self) -> None:
        if len(self._calls) >= MAX_REMEMBERED:
            del self._calls[next(iter(self._calls))]


def _refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}
