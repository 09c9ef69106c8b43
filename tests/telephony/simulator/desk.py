"""A simulator and a bot for it to call, both on real sockets, and what a test asks of them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from telephony.simulator.audio import RATE_HZ
from telephony.simulator.options import Clock, Options
from telephony.simulator.server import Simulator, running

TOKEN = "desk-token"
SPEED = 8.0
DEADLINE_S = 20.0
Script = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Heard:
    """One socket as the bot saw it; messages that are not JSON are kept as they came."""

    path: str
    messages: list[Any] = field(default_factory=list)
    close_code: int | None = None

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.path).query, keep_blank_values=True)

    @property
    def events(self) -> list[str]:
        return [message.get("event", "") if isinstance(message, dict) else "?" for message in self.messages]

    @property
    def sent(self) -> list[str]:
        """The events without repetition of neighbours."""
        return [event for at, event in enumerate(self.events) if not at or event != self.events[at - 1]]

    def payloads(self) -> list[bytes]:
        return payloads_of(self.messages)

    def audio(self) -> np.ndarray:
        return np.frombuffer(b"".join(self.payloads()), "<i2")


class Bot:
    """A server that remembers every socket; `script` is run for each JSON message."""

    def __init__(self, script: Script | None = None, refusal: int | None = None) -> None:
        self.sockets: list[Heard] = []
        self.url = ""
        self._script = script
        self._refusal = refusal

    async def take(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        heard = Heard(socket.request.path)
        self.sockets.append(heard)
        try:
            async for text in socket:
                try:
                    message = json.loads(text)
                except ValueError:
                    heard.messages.append(text)
                    continue
                heard.messages.append(message)
                if self._script and isinstance(message, dict):
                    await self._script(socket, message)
        except ConnectionClosed:
            pass
        finally:
            heard.close_code = socket.close_code

    def refuse(self, connection: ServerConnection, request: Any) -> Any:
        return connection.respond(self._refusal, "no\n") if self._refusal else None


class Desk:
    """Places calls and looks things up."""

    def __init__(self, simulator: Simulator, bot: Bot, client: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.bot = bot
        self.client = client

    async def dial(self, destination: str, **form: str) -> httpx.Response:
        fields = {
            "url": self.bot.url,
            "destination": destination,
            "app": "bot",
            "channel": "mono_a",
            "is_silence": "true",
        } | form
        return await self.client.post(
            "/psr/v1/call/stream", files={name: (None, text) for name, text in fields.items()}
        )

    async def call(self, destination: str, **form: str) -> dict[str, Any]:
        """Dial, wait for the end, return the call's record in the ledger."""
        response = await self.dial(destination, **form)
        assert response.status_code == 200, response.text
        return await self.ended()

    async def ended(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_S):
            while self.simulator.ledger.open_calls:  # noqa: ASYNC110 - polled, as any user of the ledger would
                await asyncio.sleep(0.02)
        calls: list[dict[str, Any]] = (await self.client.get("/sim/ledger")).json()["calls"]
        return calls[-1]

    async def recording(self, call_id: str, *, full: bool = False) -> httpx.Response:
        return await self.client.get(f"/psr/v1/call/record/{'full_' if full else ''}{call_id}.wav")


def payloads_of(messages: list[Any]) -> list[bytes]:
    """The audio of the well-formed media messages."""
    return [
        base64.b64decode(message["media"]["payload"])
        for message in messages
        if isinstance(message, dict) and message.get("event") == "media" and isinstance(message.get("timestamp"), int)
    ]


def named(record: dict[str, Any], event: str) -> list[dict[str, Any]]:
    """The events of one kind on a call."""
    return [line for line in record["events"] if line["event"] == event]


@asynccontextmanager
async def desk(
    script: Script | None = None, *, refusal: int | None = None, speed: float = SPEED, **options: Any
) -> AsyncIterator[Desk]:
    """A desk whose simulator runs faster than life, with short rings."""
    defaults: dict[str, Any] = {"port": 0, "token": TOKEN, "ring_min_s": 0.1, "ring_max_s": 0.2, "seed": 5}
    chosen = Options(**defaults | options)
    bot = Bot(script, refusal)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serve(bot.take, "127.0.0.1", 0, process_request=bot.refuse, close_timeout=0.5)
        )
        bot.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/psr/secret-token?kept=1"
        simulator = await stack.enter_async_context(running(chosen, Clock(speed)))
        client = httpx.AsyncClient(
            base_url=simulator.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=DEADLINE_S,
            trust_env=False,
        )
        yield Desk(simulator, bot, await stack.enter_async_context(client))


def tone(duration_ms: int, frequency_hz: float = 440.0) -> bytes:
    """PCM16 loud enough to be a prompt."""
    at_s = np.arange(duration_ms * RATE_HZ // 1000) / RATE_HZ
    return np.round(8000 * np.sin(2 * np.pi * frequency_hz * at_s)).astype("<i2").tobytes()


def chunk(pcm: bytes, **media: Any) -> str:
    payload = base64.b64encode(pcm).decode()
    return json.dumps({"event": "chunk", "media": {"payload": payload, "format": "pcm16"} | media})


async def echo(socket: ServerConnection, message: dict[str, Any]) -> None:
    """The simplest bot: it says what it hears."""
    if message.get("event") == "media":
        await socket.send(chunk(base64.b64decode(message["media"]["payload"])))


def once_connected(*actions: str) -> Script:
    """A bot that sends `actions` when the stream opens, and then only listens."""

    async def script(socket: ServerConnection, message: dict[str, Any]) -> None:
        if message.get("event") == "connected":
            for action in actions:
                await socket.send(action)

    return script
