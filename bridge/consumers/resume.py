"""A call's leg that outlives one lost connection.

A socket that was lost without a close frame may be replaced, within a while, by another one of the same call. The
conversation goes on in the same session: it only sees a leg that is silent for a moment. What is sent meanwhile is
dropped and not said again, and the playout clock is not told: what the agent says into the gap counts as heard.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from bridge.calls import CallRefused, call_desk, may_connect
from bridge.session import CloseCode, Hear, Leg
from telephony.protocols.events import WireMessage

# A line that is lost again is no line.
MAX_RESUMES: Final = 1


class ResumableLeg:
    """The leg of one call over one socket after another (see `bridge.session.Leg`)."""

    def __init__(self, socket: Leg, *, grace_s: float, unread: Iterable[WireMessage] = ()) -> None:
        """`unread` are messages that were read from the socket already; 0 s of grace lets no socket be replaced."""
        self._socket = socket
        self._grace_s = grace_s
        self._unread = deque(unread)
        self._resumes_left = MAX_RESUMES if grace_s > 0 else 0
        self._is_ended = False
        self._has_come = asyncio.Event()
        self._is_over = asyncio.Event()
        self.is_waiting = False

    @property
    def close_code(self) -> int | None:
        """See `Leg`; None also while another socket is waited for."""
        return None if self.is_waiting else self._socket.close_code

    async def listen(self, hear: Hear) -> None:
        """See `Leg`; waits for another socket where one was lost."""
        while True:
            while self._unread:
                pause_s = hear(self._unread.popleft())
                if pause_s:
                    await asyncio.sleep(pause_s)
            await self._socket.listen(hear)
            if not await self._was_replaced():
                return

    def send_now(self, message: WireMessage) -> bool:
        """See `Leg`."""
        return self.is_waiting or self._socket.send_now(message)

    async def send(self, message: WireMessage) -> None:
        """See `Leg`."""
        if not self.is_waiting:
            await self._socket.send(message)

    async def close(self, code: int) -> None:
        """See `Leg`."""
        self._is_ended = True
        await self._socket.close(code)

    def resume(self, socket: Leg, unread: Iterable[WireMessage] = ()) -> bool:
        """Go on with this socket; False where none is waited for any more."""
        if not self.is_waiting:
            return False
        self._socket = socket
        self._unread.extend(unread)
        self.is_waiting = False
        self._has_come.set()
        return True

    def end(self) -> None:
        """The call is over: whoever brought a socket may go."""
        self.is_waiting = False
        self._is_over.set()

    async def wait_over(self) -> None:
        """Wait until the call is over."""
        await self._is_over.wait()

    async def _was_replaced(self) -> bool:
        is_lost = self._socket.close_code == CloseCode.ABNORMAL and not self._is_ended
        if not is_lost or not self._resumes_left:
            return False
        self._resumes_left -= 1
        self._has_come.clear()
        self.is_waiting = True
        try:
            async with asyncio.timeout(self._grace_s):
                await self._has_come.wait()
        except TimeoutError:
            # It may have come in the very moment in which the waiting ended.
            return self._has_come.is_set()
        finally:
            self.is_waiting = False
        return True


@dataclass(frozen=True, slots=True)
class _Entry:
    leg: ResumableLeg
    allowed_networks: tuple[str, ...]


class LiveLegs:
    """The legs of this process's calls, by what a further socket of the same call would bring."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}

    def waiting(self, key: Hashable, peer: str) -> ResumableLeg | None:
        """The leg that waits for a further socket of its call; None where this process has no such call.

        Raises:
            CallRefused: 409 the call has a socket that lives, 403 the peer's address may not bring another.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not may_connect(entry.allowed_networks, peer):
            raise CallRefused(403, "address_not_allowed")
        if not entry.leg.is_waiting:
            raise CallRefused(409, "call_live", "The call has a socket that lives.")
        return entry.leg

    @contextmanager
    def holding(self, key: Hashable, leg: ResumableLeg, allowed_networks: tuple[str, ...] = ()) -> Iterator[None]:
        """Let the leg be found, until the call is over."""
        entry = self._entries[key] = _Entry(leg, allowed_networks)
        try:
            yield
        finally:
            if self._entries.get(key) is entry:
                del self._entries[key]
            leg.end()


async def resumable(socket: Leg, unread: Iterable[WireMessage] = ()) -> ResumableLeg:
    """The leg of a call's first socket."""
    return ResumableLeg(socket, grace_s=settings.RESUME_GRACE_S, unread=unread)


async def go_on(leg: ResumableLeg, socket: Leg, unread: Iterable[WireMessage] = ()) -> None:
    """Give the leg this socket, and stay until the call is over."""
    if not leg.resume(socket, unread):
        await socket.close(CloseCode.GONE)
        return
    call_desk().gauges.count("resumes")
    await leg.wait_over()


live_legs = LiveLegs()
