"""One call of the reference service, sans I/O: messages of the bridge in, messages for it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import pybase64

from bridge.agents.livecall_grpc.config import AudioEncoding
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.service.options import Fault, Options
from bridge.agents.prompt_library import Prompt, PromptLibrary
from bridge.audio.resample import SUPPORTED_RATES_HZ, Resampler
from bridge.audio.vad import SpeechDetector, SpeechStarted
from telephony.protocols.events import PCM16_SAMPLE_BYTES

EAR_HZ: Final = 16_000
# What is shorter is a click of the line, and neither an answer nor an interruption.
ONSET_MS: Final = 200
PEER_DEFAULT_HZ: Final = 8_000
# What one service of this protocol is known to answer (Source: its error table).
UNKNOWN_WORKSPACE: Final = pb.Error(error_code=80100, internal_error_code=404, message="workspace not found")


class BrokenOff(Exception):
    """This call is to break off here."""


class Conversation:
    """Greets, answers each utterance with the next prompts of the script, and says goodbye after the last."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._library = PromptLibrary(options.script.prompts, options.own_prompts)
        self._ear = SpeechDetector(EAR_HZ, onset_ms=ONSET_MS)
        self._to_ear: Resampler | None = None
        self._info = pb.InitialInfo()
        self._turn = 0
        self._said = 0
        self._unheard: set[str] = set()
        self.is_over = False

    def receive(self, request: pb.ClientRequest) -> Iterator[pb.ServerResponse]:
        """The messages that follow from one of the bridge's.

        Raises:
            BrokenOff: the options ask for it.
        """
        match request.WhichOneof("data"):
            case "initial_info":
                self._info = request.initial_info
                yield from self._open()
            case "play_audio" if self._options.fault is Fault.NONE and not self.is_over:
                yield from self._hear(request.play_audio)
            case "dtmf" if not self.is_over:
                yield from self._key(request.dtmf.digit)
            case "playback" if request.playback.finished:
                self._unheard.discard(request.playback.item_id)
            case "interrupted":
                self._unheard.discard(request.interrupted.item_id)
            case "disconnect":
                self.is_over = True
            case _:
                return

    def _open(self) -> Iterator[pb.ServerResponse]:
        match self._options.fault:
            case Fault.STALL:
                return
            case Fault.ERROR:
                self.is_over = True
                yield pb.ServerResponse(status=False, error=UNKNOWN_WORKSPACE)
            case Fault.DIE:
                greeting = list(self._say(self._options.script.greeting))
                yield from greeting[: len(greeting) // 2]
                raise BrokenOff
            case _ if self._info.waits_for_customer:
                return
            case _ if self._info.history:
                yield from self._answer()
            case _:
                yield from self._say(self._options.script.greeting)

    def _hear(self, chunk: pb.AudioChunk) -> Iterator[pb.ServerResponse]:
        for change in self._ear.feed(self._at_ear(chunk)):
            if isinstance(change, SpeechStarted):
                if self._options.has_extensions:
                    yield self._response(user_speech=pb.UserSpeech(speaking=True, audio_ms=change.at_ms))
                if self._unheard:
                    self._unheard.clear()
                    yield self._response(signal=pb.Signal(kill_audio=pb.KillAudio(call_id=self._info.call_id)))
                continue
            if self._options.has_extensions:
                yield self._response(user_speech=pb.UserSpeech(speaking=False, audio_ms=change.at_ms))
                heard = f"({(change.at_ms - change.started_ms) / 1000:.1f} s of speech)"
                words = pb.Transcript(role="customer", text=heard, final=True)
                words.start_ms, words.end_ms = change.started_ms, change.at_ms
                yield self._response(transcript=words)
            yield from self._answer()

    def _answer(self) -> Iterator[pb.ServerResponse]:
        answers = self._options.script.answers
        if self._turn >= len(answers):
            yield from self._end()
            return
        self._turn += 1
        yield from self._say(answers[self._turn - 1])

    def _key(self, digit: str) -> Iterator[pb.ServerResponse]:
        if digit == self._options.end_key:
            yield from self._end()
        elif digit == self._options.transfer_key:
            staff = list(self._info.transfer_targets) or [pb.Staff(phone_number=it) for it in self._options.staff]
            yield from self._say(self._options.script.transfer)
            transfer = pb.TransferCall(
                call_id=self._info.call_id,
                customer_phone_number=self._info.customer_phone_number,
                target_staff=staff,
                tool_call_id="transfer" if self._options.has_extensions else "",
            )
            yield self._response(signal=pb.Signal(transfer_call=transfer))

    def _end(self) -> Iterator[pb.ServerResponse]:
        """The farewell and, right behind it, the end: the bridge has to let it be heard."""
        self.is_over = True
        yield from self._say(self._options.script.goodbye)
        yield self._response(signal=pb.Signal(end_call=pb.EndCall(call_id=self._info.call_id)))

    def _say(self, names: Iterable[str]) -> Iterator[pb.ServerResponse]:
        for name in names:
            prompt = self._library.get(name)
            self._said += 1
            item_id = f"{self._said}-{name}" if self._options.has_extensions else ""
            if self._options.has_extensions:
                words = pb.Transcript(role="agent", text=prompt.text, final=True, item_id=item_id)
                yield self._response(transcript=words)
                self._unheard.add(item_id)
            elif prompt.text:
                yield self._response(text_output=pb.Text(text=prompt.text))
            yield from self._chunks(prompt, item_id)

    def _chunks(self, prompt: Prompt, item_id: str) -> Iterator[pb.ServerResponse]:
        options = self._options
        pcm = _at_rate(prompt.pcm.samples, prompt.pcm.rate_hz, options.rate_hz)
        step_bytes = options.rate_hz * options.chunk_ms // 1000 * PCM16_SAMPLE_BYTES
        for start in range(0, len(pcm), step_bytes):
            piece = pcm[start : start + step_bytes]
            chunk = pb.AudioChunk(
                sample_rate=0 if options.leaves_out_rate else options.rate_hz,
                sample_width=8 * PCM16_SAMPLE_BYTES if options.says_width_in_bits else PCM16_SAMPLE_BYTES,
                num_channels=1,
                duration=len(piece) / (PCM16_SAMPLE_BYTES * options.rate_hz),
                audio_content=piece if options.encoding is AudioEncoding.BYTES else pybase64.b64encode(piece),
            )
            if options.has_extensions:
                chunk.item_id = item_id
                chunk.offset_ms = start * 1000 // (PCM16_SAMPLE_BYTES * options.rate_hz)
                chunk.is_last = start + step_bytes >= len(pcm)
            yield self._response(audio_output=chunk)

    def _at_ear(self, chunk: pb.AudioChunk) -> bytes:
        """PCM16 at `EAR_HZ`; silence of nothing where the rate cannot be converted."""
        content = chunk.audio_content
        if self._options.encoding is AudioEncoding.BASE64_TEXT:
            content = pybase64.b64decode(content)
        rate_hz = chunk.sample_rate or PEER_DEFAULT_HZ
        if rate_hz not in SUPPORTED_RATES_HZ:
            return b""
        if self._to_ear is None or self._to_ear.from_hz != rate_hz:
            self._to_ear = Resampler(rate_hz, EAR_HZ)
        return self._to_ear.process(content[: len(content) - len(content) % PCM16_SAMPLE_BYTES])

    def _response(
        self,
        *,
        audio_output: pb.AudioChunk | None = None,
        signal: pb.Signal | None = None,
        text_output: pb.Text | None = None,
        transcript: pb.Transcript | None = None,
        user_speech: pb.UserSpeech | None = None,
    ) -> pb.ServerResponse:
        return pb.ServerResponse(
            status=not self._options.leaves_out_status,
            audio_output=audio_output,
            signal=signal,
            text_output=text_output,
            transcript=transcript,
            user_speech=user_speech,
        )


@lru_cache(maxsize=64)
def _at_rate(samples: bytes, from_hz: int, to_hz: int) -> bytes:
    resampler = Resampler(from_hz, to_hz)
    return resampler.process(samples) + resampler.flush()
