"""pipecat's OpenAI Realtime pipeline behind a FastAPI WebSocket, as its examples have it, with PSR's messages.

    python pipecat_bot.py AGENT_PORT

prints `ready URL`. It runs in an environment of its own (see `benchmarks.bridge.peers`) and imports nothing of ours.

The pipeline, its aggregators, metrics and observer, and the settings of turns (the service detects them, nothing here
does) and transcription are those of pipecat's example for the service, `examples/realtime/realtime-openai.py`; both
rates of the pipeline are the line's 8 kHz, as in its examples of telephony. What differs: no tools, a short
instruction, and a log of warnings only. On the wire pipecat does less than the others: its resampler lets some seven
messages a second go to the AI service, and it cuts what goes to the vendor into pieces of 40 ms.
"""

from __future__ import annotations

import base64
import json
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import AudioRawFrame, Frame, InputAudioRawFrame, LLMRunFrame
from pipecat.observers.loggers.transcription_log_observer import TranscriptionLogObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    SemanticTurnDetection,
    SessionProperties,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

LINE_HZ = 8_000


class PsrFrameSerializer(FrameSerializer):
    """PSR's `media` in, its `chunk` out."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """The chunk for a piece of audio; everything else stays here."""
        if not isinstance(frame, AudioRawFrame):
            return None
        payload = base64.b64encode(frame.audio).decode("utf-8")
        return json.dumps({"event": "chunk", "media": {"payload": payload, "is_sync": True, "format": "pcm16"}})

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """The audio of a `media` message; nothing of the others."""
        message = json.loads(data)
        if message.get("event") != "media":
            return None
        audio = base64.b64decode(message["media"]["payload"])
        return InputAudioRawFrame(audio=audio, sample_rate=LINE_HZ, num_channels=1)


def main(agent_port: int) -> None:
    """Serve calls until ended."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    app = FastAPI()

    @app.websocket("/psr")
    async def psr(websocket: WebSocket) -> None:
        await websocket.accept()
        await talk(websocket, f"ws://127.0.0.1:{agent_port}/v1/realtime")

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    listener = config.bind_socket()
    # Whoever calls from now on waits until it serves.
    listener.listen(config.backlog)
    print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


async def talk(websocket: WebSocket, agent_url: str) -> None:
    """One call, to its end."""
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=PsrFrameSerializer()),
    )
    audio_input = AudioInput(
        transcription=InputAudioTranscription(),
        turn_detection=SemanticTurnDetection(),
        noise_reduction=InputAudioNoiseReduction(type="near_field"),
    )
    llm = OpenAIRealtimeLLMService(
        api_key="benchmark",
        base_url=agent_url,
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction="Talk.",
            session_properties=SessionProperties(audio=AudioConfiguration(input=audio_input)),
        ),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext([{"role": "developer", "content": "Say hello!"}]))
    worker = PipelineWorker(
        Pipeline([transport.input(), user, llm, transport.output(), assistant]),
        params=PipelineParams(
            audio_in_sample_rate=LINE_HZ,
            audio_out_sample_rate=LINE_HZ,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
        observers=[TranscriptionLogObserver()],
    )

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: FastAPIWebsocketTransport, _client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
