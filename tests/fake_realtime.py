"""An OpenAI Realtime server on loopback that is strict and remembers: what a test's model says is a coroutine.

It speaks the general availability form only: retired keys, audio before the configuration, a second response beside the
first, truncation beyond what was said and answers to unknown calls are refused as the real one refuses them, and noted.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

KEY = "sk-test-0123456789"
MODELS = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")
DELTA_MS = 100
SESSION_KEYS = frozenset(
    {
        "type",
        "instructions",
        "output_modalities",
        "audio",
        "tools",
        "tool_choice",
        "max_output_tokens",
        "reasoning",
        "truncation",
    }
)
# Names of the retired beta, for a server that still speaks it.
BETA_NAMES = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}

Model: TypeAlias = Callable[["FakeSession"], Awaitable[None]]


@dataclass
class FakeSession:
    """One connection: what came in, what was refused, and the words a model's script is written in."""

    socket: ServerConnection
    speaks_beta: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    # Audio of the model's items in ms; of others None.
    items: dict[str, int | None] = field(default_factory=dict)
    call_ids: set[str] = field(default_factory=set)
    active: str = ""
    _last_item: str | None = None
    _number: int = 0
    _requests: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    _has_news: asyncio.Event = field(default_factory=asyncio.Event)

    def types(self) -> list[str]:
        """What the client said, without its audio."""
        return [event["type"] for event in self.received if event["type"] != "input_audio_buffer.append"]

    def of(self, type_: str) -> list[dict[str, Any]]:
        """The client's events of one type."""
        return [event for event in self.received if event["type"] == type_]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the client has said enough."""
        while not condition():
            self._has_news.clear()
            await self._has_news.wait()

    async def send(self, type_: str, **fields: Any) -> None:
        self._number += 1
        name = BETA_NAMES.get(type_, type_) if self.speaks_beta else type_
        await self.socket.send(json.dumps({"type": name, "event_id": f"s-{self._number}", **fields}))

    async def error(self, code: str, event: dict[str, Any] | None = None, message: str = "No.") -> None:
        """An `error` event; one about an event of the client is a refusal."""
        if event is not None:
            self.refused.append(code)
        kind = "server_error" if code == "server_error" else "invalid_request_error"
        event_id = (event or {}).get("event_id")
        await self.send("error", error={"type": kind, "code": code, "message": message, "event_id": event_id})

    async def asked(self) -> dict[str, Any]:
        """Wait until a response is asked for, and begin it; what was asked."""
        request = await self._requests.get()
        await self.begin()
        return request

    async def begin(self) -> str:
        """A response begins, as also happens by itself when the customer ceases to speak."""
        self._number += 1
        self.active = f"resp-{self._number}"
        await self.send("response.created", response={"id": self.active, "status": "in_progress"})
        return self.active

    async def say(self, item_id: str, text: str, duration_ms: int, *, breaks_off: bool = False) -> None:
        """Speak one item as fast as the socket takes it; stops where the response is cancelled."""
        response_id = self.active
        about = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        await self.add_item(item_id, role="assistant")
        self.items[item_id] = 0
        await self.send("response.output_audio_transcript.delta", **about, delta=text)
        for at_ms in range(0, duration_ms, DELTA_MS):
            if self.active != response_id:
                return
            length_ms = min(DELTA_MS, duration_ms - at_ms)
            self.items[item_id] = at_ms + length_ms
            audio = self.sound(length_ms)
            await self.send("response.output_audio.delta", **about, delta=base64.b64encode(audio).decode())
        if breaks_off:
            return
        await self.send("response.output_audio.done", **about)
        await self.send("response.output_audio_transcript.done", **about, transcript=text)

    async def call(self, name: str, arguments: str, call_id: str) -> None:
        """Call a tool."""
        self.call_ids.add(call_id)
        item = {"id": f"item-{call_id}", "type": "function_call", "name": name, "call_id": call_id, "arguments": ""}
        about = {"response_id": self.active, "output_index": 0}
        await self.send("response.output_item.added", **about, item=item)
        await self.send(
            "response.function_call_arguments.done", **about, item_id=item["id"], call_id=call_id, arguments=arguments
        )
        done = {**item, "arguments": arguments, "status": "completed"}
        await self.send("response.output_item.done", **about, item=done)

    async def finish(self, status: str = "completed", code: str = "") -> None:
        """The response is over; a cancelled one has ended already."""
        if not self.active:
            return
        response_id, self.active = self.active, ""
        usage = {"input_tokens": 100, "output_tokens": 50, "input_token_details": {"cached_tokens": 40}}
        details = {"type": status, "error": {"type": code, "code": code}} if code else None
        response = {"id": response_id, "status": status, "status_details": details, "usage": usage}
        await self.send("response.done", response=response)

    async def hear(self, item_id: str, start_ms: int, end_ms: int) -> None:
        """The server hears the customer say something."""
        await self.send("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=start_ms)
        await self.send("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=end_ms)
        await self.send("input_audio_buffer.committed", item_id=item_id, previous_item_id=self._last_item)
        await self.add_item(item_id, role="user")

    async def transcribe(self, item_id: str, text: str) -> None:
        """The words of what was heard."""
        await self.send(
            "conversation.item.input_audio_transcription.completed", item_id=item_id, content_index=0, transcript=text
        )

    async def add_item(self, item_id: str, **fields: Any) -> None:
        self.items[item_id] = None
        await self.send(
            "conversation.item.added",
            previous_item_id=self._last_item,
            item={"id": item_id, "type": "message"} | fields,
        )
        self._last_item = item_id

    def sound(self, duration_ms: int) -> bytes:
        """Audio that is not silence, in the session's output format."""
        is_g711 = self.config["audio"]["output"]["format"]["type"] != "audio/pcm"
        return b"\x2a" * (8 * duration_ms) if is_g711 else b"\x00\x10" * (24 * duration_ms)

    async def listen(self) -> None:
        """Judge and answer what the client says, until it leaves."""
        with suppress(ConnectionClosed):
            async for message in self.socket:
                event = json.loads(message)
                self.received.append(event)
                await self._judge(event)
                self._has_news.set()

    async def _judge(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                await self._configure(event)
            case _ if not self.config:
                await self.error("session_not_configured", event)
            case "input_audio_buffer.append":
                self.heard += base64.b64decode(event["audio"], validate=True)
            case "response.create":
                if self.active or not self._requests.empty():
                    await self.error("conversation_already_has_active_response", event)
                else:
                    self._requests.put_nowait(event)
            case "response.cancel":
                if event.get("response_id", self.active) != self.active or not self.active:
                    await self.error("response_cancel_not_active", event)
                else:
                    await self.finish("cancelled")
            case "conversation.item.create":
                await self._create_item(event)
            case "conversation.item.truncate":
                await self._truncate(event)
            case "conversation.item.delete":
                if self.items.pop(event["item_id"], "none") == "none":
                    await self.error("item_delete_invalid_item_id", event)
                else:
                    await self.send("conversation.item.deleted", item_id=event["item_id"])
            case _:
                await self.error("invalid_value", event)

    async def _configure(self, event: dict[str, Any]) -> None:
        session = event["session"]
        if session.get("type") != "realtime":
            await self.error("missing_required_parameter", event, "Missing required parameter: 'session.type'.")
            return
        if unknown := sorted(session.keys() - SESSION_KEYS):
            await self.error("unknown_parameter", event, f"Unknown parameter: 'session.{unknown[0]}'.")
            return
        for side in ("input", "output"):
            wire_format = session["audio"][side]["format"]
            if (wire_format["type"] == "audio/pcm") != (wire_format.get("rate") == 24_000):
                await self.error("invalid_value", event, f"Invalid value: 'session.audio.{side}.format'.")
                return
        if session["audio"]["output"]["voice"] == "nobody":
            await self.error("invalid_value", event, "Invalid value: 'nobody'. Supported values are: 'marin'.")
            return
        self.config = session
        await self.send("session.updated", session=session)

    async def _create_item(self, event: dict[str, Any]) -> None:
        item = event["item"]
        if item["type"] == "function_call_output":
            if item["call_id"] not in self.call_ids:
                await self.error("item_create_invalid_call_id", event)
                return
            self.call_ids.remove(item["call_id"])
        self._number += 1
        await self.add_item(f"item-{self._number}", **item)

    async def _truncate(self, event: dict[str, Any]) -> None:
        said_ms = self.items.get(event["item_id"])
        if said_ms is None:
            await self.error(
                "item_truncate_invalid_item_id", event, "Only model output audio messages can be truncated"
            )
        elif not 1 <= event["audio_end_ms"] <= said_ms:
            await self.error("invalid_value", event, f"Audio content of {said_ms}ms is already shorter")
        else:
            self.items[event["item_id"]] = event["audio_end_ms"]
            await self.send("conversation.item.truncated", item_id=event["item_id"], content_index=0)


@dataclass
class FakeRealtime:
    """The server's memory."""

    url: str = ""
    handshakes: list[Request] = field(default_factory=list)
    sessions: list[FakeSession] = field(default_factory=list)


async def says_nothing(session: FakeSession) -> None:
    """A model without a script of its own."""
    await session.socket.wait_closed()


@asynccontextmanager
async def fake_realtime(
    model: Model = says_nothing,
    *,
    status: HTTPStatus | None = None,
    expires_at: int | None = None,
    speaks_beta: bool = False,
    is_silent: bool = False,
) -> AsyncIterator[FakeRealtime]:
    """A running server. `status` refuses every handshake with it; a silent one accepts and says nothing."""
    memory = FakeRealtime()

    def judge_handshake(connection: ServerConnection, request: Request) -> Response | None:
        memory.handshakes.append(request)
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.headers.get("api-key", "")
        if status is not None:
            return connection.respond(status, "{}")
        if sent != KEY:
            body = {"error": {"code": "invalid_api_key", "message": f"Incorrect API key provided: {sent}"}}
            return connection.respond(HTTPStatus.UNAUTHORIZED, json.dumps(body))
        return None

    async def serve_client(socket: ServerConnection) -> None:
        session = FakeSession(socket, speaks_beta)
        memory.sessions.append(session)
        assert socket.request is not None
        with suppress(ConnectionClosed):
            if "OpenAI-Beta" in socket.request.headers:
                await session.error("beta_api_shape_disabled")
                await socket.close(4000)
                return
            if parse_qs(urlsplit(socket.request.path).query).get("model", [""])[0] not in MODELS:
                await session.error("model_not_found")
                await socket.close(4004)
                return
            if not is_silent:
                await session.send("session.created", session={"type": "realtime", "expires_at": expires_at})
            async with asyncio.TaskGroup() as group:
                talking = group.create_task(_talk(model, session))
                await session.listen()
                talking.cancel()

    async with serve(serve_client, "127.0.0.1", 0, process_request=judge_handshake, close_timeout=0.2) as server:
        memory.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
        yield memory


async def _talk(model: Model, session: FakeSession) -> None:
    """The script from the configuration on, until it ends or the client leaves."""
    await session.until(lambda: session.config)
    with suppress(ConnectionClosed):
        await model(session)
