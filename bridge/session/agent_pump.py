"""Keeps a call's conversation with its agent going: opens it, takes it up again where it breaks, rotates it, gives up.

At most two conversations live at a time: the current one, and one that is being opened to follow it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Final

from bridge.agents.base import Agent
from bridge.session.contracts import EndedBy
from bridge.session.conversation import UNANSWERED, Conversation, Ended, ExpiresSoon, Lost, News, Spoke
from bridge.session.state import LiveCall, begin_farewell, fail_agent, say_prompt

logger = logging.getLogger(__name__)

# How often to look for a silence to change conversations in, and how long to wait where the new one did not open.
ROTATION_LOOK_MS: Final = 250
ROTATION_RETRY_MS: Final = 10_000
# Not earlier than this before a conversation must end.
ROTATION_WINDOW_MS: Final = 300_000
SAID_NOTHING: Final = "it said nothing"


async def converse(call: LiveCall, agent: Agent) -> None:
    """Run the agent until it has nothing more to say or is given up; either way the call then says goodbye."""
    async with asyncio.TaskGroup() as group:
        keeper = _Keeper(call, agent, group)
        failure = await keeper.run()
        if failure is not None:
            fail_agent(call, failure)
        call.is_agent_gone = True
        begin_farewell(call, EndedBy.AGENT_HANGUP, call.limits.drain_s)
        keeper.dismiss()


class _Keeper:
    """The conversations of one call."""

    def __init__(self, call: LiveCall, agent: Agent, group: asyncio.TaskGroup) -> None:
        self._call = call
        self._agent = agent
        self._group = group
        self._news: asyncio.Queue[tuple[Conversation, News]] = asyncio.Queue()
        self._tasks: dict[Conversation, asyncio.Task[None]] = {}
        self._number = 0
        self._current: Conversation | None = None
        self._next: Conversation | None = None
        self._reconnected_at_ms = float("-inf")
        # Since when the agent owes its first words, and after how long something is done about it.
        self._waits_since_ms: float | None = None
        self._overdue: list[float] = []
        self._rotate_by_ms: float | None = None
        self._look_at_ms = 0.0

    async def run(self) -> str | None:
        """Why the agent was given up, None where it ended by itself or the call was ending anyway."""
        self._open(is_agents_turn=True)
        while True:
            conversation, news = await self._wait()
            if isinstance(news, Ended) and conversation is self._current:
                return None
            if isinstance(news, Lost) and conversation is not None and conversation in (self._current, self._next):
                failure = self._lost(conversation, news)
                if self._current is None and self._call.watch.farewell is not None:
                    return None
                if failure is not None:
                    return failure
            elif conversation is not None and conversation is self._current:
                self._heard_from(news)
            if (failure := self._do_what_is_due()) is not None:
                return failure

    def dismiss(self) -> None:
        """Leave every conversation."""
        for task in list(self._tasks.values()):
            task.cancel()

    async def _wait(self) -> tuple[Conversation | None, News | None]:
        """The next news, or none at the next deadline."""
        at_ms = self._next_at_ms()
        if at_ms is None:
            return await self._news.get()
        try:
            async with asyncio.timeout(max(0.0, at_ms - self._call.now_ms()) / 1000):
                return await self._news.get()
        except TimeoutError:
            return None, None

    def _next_at_ms(self) -> float | None:
        candidates = []
        if self._waits_since_ms is not None and self._overdue:
            candidates.append(self._waits_since_ms + self._overdue[0])
        if self._rotate_by_ms is not None and (self._next is None or self._next.is_open):
            candidates.append(max(self._look_at_ms, self._call.now_ms() + ROTATION_LOOK_MS))
        return min(candidates, default=None)

    def _heard_from(self, news: News | None) -> None:
        match news:
            case Spoke():
                self._waits_since_ms = None
                if self._call.counters.first_audio_ms is None:
                    self._call.counters.first_audio_ms = round(self._call.now_ms())
            case ExpiresSoon(in_s=in_s):
                now_ms = self._call.now_ms()
                self._rotate_by_ms = now_ms + max(0.0, in_s - self._call.limits.rotate_margin_s) * 1000
                self._look_at_ms = max(now_ms, self._rotate_by_ms - ROTATION_WINDOW_MS)
            case _:
                return

    def _lost(self, conversation: Conversation, lost: Lost) -> str | None:
        """Take the conversation up again; the reason to give the agent up where that is not to be done."""
        if not lost.is_retryable and lost.reason != UNANSWERED:
            self._call.is_agent_broken = True
        if conversation is self._next:
            self._next = None
            self._look_at_ms = self._call.now_ms() + ROTATION_RETRY_MS
            return lost.reason if self._current is None else None
        self._current = None
        if not lost.is_retryable:
            return lost.reason
        call = self._call
        if call.watch.farewell is not None:
            return None
        if self._next is not None:
            say_prompt(call, "one_moment")
            return None
        owes_words = self._waits_since_ms is not None or conversation.broke_off or call.turns.is_agents_turn
        return self._reconnect(lost.reason, is_agents_turn=owes_words)

    def _reconnect(self, reason: str, *, is_agents_turn: bool, has_filled: bool = False) -> str | None:
        call = self._call
        now_ms = call.now_ms()
        if now_ms - self._reconnected_at_ms < call.limits.reconnect_every_s * 1000:
            return reason
        logger.warning("agent lost, connecting again: %s", reason, extra={"call_id": call.brief.call_id})
        self._reconnected_at_ms = now_ms
        call.counters.reconnects += 1
        self._leave(self._current)
        # One that is being opened to follow knows nothing of the words that are owed.
        self._leave(self._next)
        self._current = None
        if not has_filled:
            say_prompt(call, "one_moment")
        self._open(is_agents_turn=is_agents_turn)
        return None

    def _do_what_is_due(self) -> str | None:
        now_ms = self._call.now_ms()
        if self._next is not None and self._next.is_open and (self._current is None or self._may_rotate(now_ms)):
            self._promote(self._next, now_ms)
        elif self._current is not None and self._next is None and self._may_rotate(now_ms):
            self._open(is_agents_turn=self._call.turns.is_agents_turn)
        return self._miss_first_audio(now_ms)

    def _may_rotate(self, now_ms: float) -> bool:
        """Whether this is the moment to change conversations: a silence after the agent's words, or time is up."""
        if self._rotate_by_ms is None or now_ms < self._look_at_ms:
            return False
        call = self._call
        is_customer_speaking = call.ear is not None and call.ear.is_speaking
        is_quiet = call.playout.is_drained(now_ms) and not is_customer_speaking and not call.turns.is_agents_turn
        return is_quiet or now_ms >= self._rotate_by_ms

    def _miss_first_audio(self, now_ms: float) -> str | None:
        """Fill the silence of an agent that owes its first words, then connect again, then give it up."""
        if self._waits_since_ms is None or not self._overdue or self._call.watch.farewell is not None:
            return None
        if now_ms < self._waits_since_ms + self._overdue[0]:
            return None
        del self._overdue[0]
        if len(self._overdue) == 2:
            say_prompt(self._call, "one_moment")
        elif len(self._overdue) == 1:
            # Where it was connected again a moment ago, the rest of the time is its own.
            self._reconnect(SAID_NOTHING, is_agents_turn=True, has_filled=True)
        else:
            return SAID_NOTHING
        return None

    def _open(self, *, is_agents_turn: bool) -> None:
        self._number += 1
        history = self._call.turns.history()
        brief = replace(self._call.brief, history=history, is_agents_turn=is_agents_turn)
        conversation = Conversation(self._call, self._agent, brief, self._number, self._tell)
        self._next = conversation
        self._tasks[conversation] = task = self._group.create_task(conversation.run())
        task.add_done_callback(lambda _: self._tasks.pop(conversation, None))

    def _promote(self, conversation: Conversation, now_ms: float) -> None:
        """It is the turn of the conversation that was opened."""
        is_rotation = self._current is not None
        self._leave(self._current)
        self._current, self._next, self._rotate_by_ms = conversation, None, None
        if is_rotation:
            self._call.counters.rotations += 1
        elif conversation.owes_words and self._waits_since_ms is None:
            limits = self._call.limits
            self._waits_since_ms = now_ms
            self._overdue = [
                at_s * 1000 for at_s in (limits.first_audio_s, limits.first_audio_retry_s, limits.first_audio_end_s)
            ]
        self._call.barge_in = conversation.barge_in
        if conversation.number > 1:
            self._call.inbox.start_over()
        conversation.begin()

    def _leave(self, conversation: Conversation | None) -> None:
        if conversation is not None and conversation in self._tasks:
            self._tasks[conversation].cancel()

    def _tell(self, conversation: Conversation, news: News) -> None:
        self._news.put_nowait((conversation, news))
