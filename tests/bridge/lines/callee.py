"""A customer on a vendor's line, in real time: what is said leaves frame by frame, what comes is truly heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.bridge.lines.ear import Ear
from tests.bridge.lines.vendors import Drop, HangUp, Other, Play, Return, Vendor

# As much hiss as the simulator's line has: a recogniser and a detector need some of it to learn what silence is.
LINE_NOISE = 80.0


class Callee:
    """What the customer does is a script; `is_gone` is set when the other side has ended the call."""

    def __init__(self, vendor: Vendor, socket: ClientConnection, *, delay_ms: float = 60) -> None:
        self.vendor = vendor
        self.socket = socket
        self.ear = Ear(delay_ms)
        self.others: list[str] = []
        self.is_told = False
        # When the customer last began to speak.
        self.onset_ms = 0.0
        self.is_gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._mouth: deque[bytes] = deque()
        self._has_spoken = asyncio.Event()
        self._noise = np.random.default_rng(7)
        self._returns: deque[tuple[float, str | bytes]] = deque()

    @property
    def now_ms(self) -> float:
        return (self._loop.time() - self._began_s) * 1000

    def loop_time_s(self, at_ms: float) -> float:
        """The moment of the call on the loop's clock."""
        return self._began_s + at_ms / 1000

    async def say(self, pcm: bytes) -> None:
        """Say this, PCM16 at 8 kHz, to its end."""
        step = self.vendor.frame_ms * 16
        self._mouth.extend(pcm[at : at + step].ljust(step, b"\x00") for at in range(0, len(pcm), step))
        self._has_spoken.clear()
        self.onset_ms = self.now_ms
        await self._has_spoken.wait()

    async def hear(self, at_least_ms: float) -> None:
        """Wait until so much was heard."""
        while self.ear.heard_ms(self.now_ms) < at_least_ms:  # noqa: ASYNC110  an ear tells nobody
            await asyncio.sleep(0.02)

    async def listen(self, at_least_ms: float = 300, quiet_ms: float = 500) -> None:
        """Hear the other side out: so much of it, and then silence for so long."""
        await self.hear(at_least_ms)
        while self.now_ms < self.ear.ends_ms + quiet_ms:  # noqa: ASYNC110  more may come meanwhile
            await asyncio.sleep((self.ear.ends_ms + quiet_ms - self.now_ms) / 1000)

    async def leave(self) -> None:
        """Hang up as the vendor does."""
        for message in self.vendor.closing():
            await self.socket.send(message)
        await self.is_gone.wait()

    async def speak_and_hear(self, script: Callable[[Callee], Awaitable[None]]) -> None:
        """Live the call until it is over."""
        with suppress(ConnectionClosed):
            for message in self.vendor.opening():
                await self.socket.send(message)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in (self._speak(), self._return_marks(), _act(script, self))]
                await self._hear()
                for task in tasks:
                    task.cancel()

    async def _speak(self) -> None:
        frame_s = self.vendor.frame_ms / 1000
        next_s = self._loop.time()
        with suppress(ConnectionClosed):
            while True:
                pcm = self._mouth.popleft() if self._mouth else bytes(self.vendor.frame_ms * 16)
                if not self._mouth:
                    self._has_spoken.set()
                samples = np.frombuffer(pcm, "<i2") + self._noise.normal(0, LINE_NOISE, len(pcm) // 2)
                await self.socket.send(self.vendor.says(np.clip(samples, -32768, 32767).astype("<i2").tobytes()))
                next_s += frame_s
                await asyncio.sleep(next_s - self._loop.time())

    async def _hear(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                match self.vendor.understands(await self.socket.recv()):
                    case Play(pcm=pcm):
                        self.ear.arrives(self.now_ms, pcm)
                    case Drop():
                        self.ear.drop(self.now_ms)
                        self._returns = deque((0.0, message) for _, message in self._returns)
                    case Return(message=message):
                        self._returns.append((self.ear.ends_ms, message))
                    case HangUp():
                        self.is_told = True
                        if self.vendor.protocol in ("psr", "ucid"):
                            for message in self.vendor.closing():
                                await self.socket.send(message)
                    case Other(name=name):
                        self.others.append(name)
        self.is_gone.set()

    async def _return_marks(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                while self._returns and self._returns[0][0] <= self.now_ms:
                    await self.socket.send(self._returns.popleft()[1])
                await asyncio.sleep(0.01)


async def _act(script: Callable[[Callee], Awaitable[None]], callee: Callee) -> None:
    with suppress(ConnectionClosed):
        await script(callee)
