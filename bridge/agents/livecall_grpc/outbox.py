"""What waits to be written to the AI service: bounded, and old audio gives way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb

# Source: reliability budgets: audio towards an AI that takes it slowly.
MAX_AUDIO_MS: Final = 2_000
# Keys and notices are few; beyond this the peer takes nothing anyway.
MAX_NOTICES: Final = 200


@dataclass(frozen=True, slots=True)
class _Entry:
    request: pb.ClientRequest
    audio_ms: float = 0.0


class Outbox:
    """The request stream of one call. Putting never waits; iterating ends once it was closed and is empty."""

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._audio_ms = 0.0
        self._notices = 0
        self._is_closed = False
        self._has_news = asyncio.Event()
        self.dropped_ms = 0.0
        self.dropped_notices = 0

    def put(self, request: pb.ClientRequest) -> None:
        """Queue something that is not audio."""
        if self._notices >= MAX_NOTICES:
            self.dropped_notices += 1
            return
        self._notices += 1
        self._append(_Entry(request))

    def put_audio(self, request: pb.ClientRequest, audio_ms: float) -> None:
        """Queue audio of this length; beyond the bound the oldest is dropped."""
        self._audio_ms += audio_ms
        self._append(_Entry(request, audio_ms))
        while self._audio_ms > MAX_AUDIO_MS and self._drop_oldest_audio():
            pass

    def close(self, last: pb.ClientRequest) -> None:
        """Nothing but `last` follows what waits; audio that waits is no longer of use."""
        if self._is_closed:
            return
        self._entries = deque(entry for entry in self._entries if not entry.audio_ms)
        self._notices += 1
        self._append(_Entry(last))
        self._is_closed = True

    async def __aiter__(self) -> AsyncIterator[pb.ClientRequest]:
        while True:
            while self._entries:
                entry = self._entries.popleft()
                self._audio_ms -= entry.audio_ms
                self._notices -= not entry.audio_ms
                yield entry.request
            if self._is_closed:
                return
            self._has_news.clear()
            await self._has_news.wait()

    def _append(self, entry: _Entry) -> None:
        if self._is_closed:
            return
        self._entries.append(entry)
        self._has_news.set()

    def _drop_oldest_audio(self) -> bool:
        for index, entry in enumerate(self._entries):
            if entry.audio_ms:
                del self._entries[index]
                self._audio_ms -= entry.audio_ms
                self.dropped_ms += entry.audio_ms
                return True
        return False
