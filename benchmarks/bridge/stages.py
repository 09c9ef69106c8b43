"""What each step of one 20 ms frame costs, beside the plain way; what resamplers hold back; what a client costs."""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import orjson
import pybase64
import websockets.asyncio.client
from websockets.asyncio.server import ServerConnection, serve

from bridge.agents.agent_socket import open_agent_socket
from bridge.agents.openai_realtime import wire
from bridge.audio.recorder import Lane, StereoTimeline
from bridge.audio.resample import Method, Resampler
from bridge.audio.vad import SpeechDetector
from bridge.playout import Playout
from telephony.protocols.events import PlayAudio
from telephony.protocols.psr import PsrClientCodec, PsrServerCodec

FRAME_MS: Final = 20
ROUNDS: Final = 7
REPEATS: Final = 1_000
CLIENT_MESSAGES: Final = 4_000


def main() -> None:
    """Print the three tables; half a minute."""
    _frame()
    _resampling()
    _clients()


def _cost_us(work: Callable[[], object]) -> float:
    """The best of several rounds: what the step costs when nothing disturbs it."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(REPEATS):
            work()
        rounds.append((time.perf_counter() - began) / REPEATS * 1e6)
    return min(rounds)


def _noise(rate_hz: int, duration_ms: int, level: int) -> bytes:
    return np.random.default_rng(1).normal(0, level, rate_hz * duration_ms // 1000).astype("<i2").tobytes()


def _frame() -> None:
    pcm, pcm_24k = _noise(8_000, FRAME_MS, 20), _noise(24_000, FRAME_MS, 20)
    message = str(PsrClientCodec("3f6c1f0e-5b1f-4f0b-9f0c-benchmark000").media(1_763_700_000_000, pcm))
    codec, up, down, ear = PsrServerCodec(), Resampler(8_000, 24_000), Resampler(24_000, 8_000), SpeechDetector(8_000)
    delta = orjson.dumps(
        {
            "type": "response.output_audio.delta",
            "event_id": "event_1",
            "response_id": "resp_1",
            "item_id": "item_1",
            "output_index": 0,
            "content_index": 0,
            "delta": pybase64.b64encode_as_string(pcm_24k),
        }
    )
    steps: list[tuple[str, Callable[[], object], Callable[[], object] | None]] = [
        ("PSR frame to audio", lambda: codec.receive(message), lambda: _read_plainly(message)),
        ("audio to PSR frame", lambda: codec.send(PlayAudio(pcm, "a")), lambda: _write_plainly(pcm)),
        ("8 to 24 kHz", lambda: up.process(pcm), None),
        ("24 to 8 kHz", lambda: down.process(pcm_24k), None),
        ("voice detector", lambda: ear.feed(pcm), None),
        ("playout clock", _playing(codec, pcm), None),
        ("laying down a recording", _recording(pcm), None),
        ("delta of OpenAI to audio", lambda: wire.read_event(delta), lambda: _read_plainly(delta, ("delta",))),
        ("audio to append of OpenAI", lambda: wire.append_audio(pcm_24k), lambda: _append_plainly(pcm_24k)),
    ]
    print("| one frame of 20 ms | µs | the plain way |")
    print("|---|---|---|")
    for name, ours, plain in steps:
        print(f"| {name} | {_cost_us(ours):.1f} | {'' if plain is None else f'{_cost_us(plain):.1f}'} |", flush=True)


def _read_plainly(message: str | bytes, path: tuple[str, ...] = ("media", "payload")) -> bytes:
    value: Any = json.loads(message)
    for key in path:
        value = value[key]
    return base64.b64decode(value)


def _write_plainly(pcm: bytes) -> str:
    payload = base64.b64encode(pcm).decode()
    return json.dumps({"event": "chunk", "media": {"payload": payload, "is_sync": True, "format": "pcm16"}})


def _append_plainly(pcm: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})


def _playing(codec: PsrServerCodec, pcm: bytes) -> Callable[[], object]:
    playout, now_ms = Playout(codec.capabilities), 0

    def play() -> None:
        nonlocal now_ms
        playout.enqueue("a", pcm)
        playout.due(now_ms)
        playout.next_due_at_ms(now_ms)
        now_ms += FRAME_MS

    return play


def _recording(pcm: bytes) -> Callable[[], object]:
    timeline, now_ms = StereoTimeline(), 0

    def lay() -> None:
        nonlocal now_ms
        timeline.lay(Lane.CUSTOMER, now_ms, pcm)
        now_ms += FRAME_MS
        if now_ms % 1_000 == 0:
            timeline.settle(now_ms - 2_000)

    return lay


def _resampling() -> None:
    """Cost per frame, and what each method holds back."""
    print("\n| resampler | rates | µs per 20 ms frame | held back ms, min / mean / max | 5 kHz folded back |")
    print("|---|---|---|---|---|")
    for from_hz, to_hz in ((8_000, 24_000), (24_000, 8_000)):
        noise = _noise(from_hz, 5_000, 3_000)
        frame_bytes = from_hz * FRAME_MS // 1000 * 2
        for method in Method:
            resampler, costs_us, held_ms, out_bytes = Resampler(from_hz, to_hz, method), [], [], 0
            for number, at in enumerate(range(0, len(noise), frame_bytes), start=1):
                began = time.perf_counter()
                out_bytes += len(resampler.process(noise[at : at + frame_bytes]))
                costs_us.append((time.perf_counter() - began) * 1e6)
                held_ms.append(number * FRAME_MS - out_bytes * 500 / to_hz)
            # A filter holds its delay inside the samples it has given.
            inside_ms = resampler.delay_ms if method is Method.FIR else 0.0
            held = [ms + inside_ms for ms in held_ms]
            rejection = f"{_folded_db(method):.0f} dB" if from_hz > to_hz else ""
            print(
                f"| {method.value} | {from_hz // 1000}→{to_hz // 1000} kHz | {statistics.median(costs_us):.1f} "
                f"| {min(held):.1f} / {statistics.fmean(held):.1f} / {max(held):.1f} | {rejection} |"
            )


def _folded_db(method: Method) -> float:
    """The level, against the tone's own, at which 5 kHz comes out as 3 kHz."""
    tone = (12_000 * np.sin(2 * np.pi * 5_000 * np.arange(48_000) / 24_000)).astype("<i2").tobytes()
    samples = np.frombuffer(Resampler(24_000, 8_000, method).process(tone), "<i2").astype(float)[2_000:-2_000]
    turn = np.exp(-2j * np.pi * 3_000 * np.arange(len(samples)) / 8_000)
    amplitude = 2 * abs(np.sum(samples * np.hanning(len(samples)) * turn)) / np.hanning(len(samples)).sum()
    return float(20 * np.log10(max(amplitude, 1e-6) / 12_000))


def _clients() -> None:
    """CPU of this process for a message out and one back; the server is part of it, and the same in both rows."""
    print("\n| client of an agent | µs of CPU per message there and back, client and server |")
    print("|---|---|")
    message = wire.append_audio(_noise(24_000, FRAME_MS, 20)).decode()
    for name, talk in (("ours, on picows", _with_ours), ("websockets", _with_websockets)):
        print(f"| {name} | {min(asyncio.run(_echoed(talk, message)) for _ in range(3)):.0f} |", flush=True)


async def _echoed(talk: Callable[[str, str], Any], message: str) -> float:
    async def echo(socket: ServerConnection) -> None:
        async for each in socket:
            await socket.send(each)

    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        began_s = time.process_time()
        await talk(url, message)
        return (time.process_time() - began_s) / CLIENT_MESSAGES * 1e6


async def _with_ours(url: str, message: str) -> None:
    async with open_agent_socket(url) as socket:
        for _ in range(CLIENT_MESSAGES):
            await socket.send(message)
            await socket.receive()


async def _with_websockets(url: str, message: str) -> None:
    async with websockets.asyncio.client.connect(url, compression=None, proxy=None) as socket:
        for _ in range(CLIENT_MESSAGES):
            await socket.send(message)
            await socket.recv()
