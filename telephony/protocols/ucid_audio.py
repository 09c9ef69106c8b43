"""Audio of the ucid dialect: arrays of samples in, numbered packets out, and which packet carried what.

Source: vendor-docs/ucid-vendor-guide, "MEDIA Event"; for `seqid` and marks the pages of Ozonetel KooKoo, as told in
docs/reference/wire/ucid.md.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES, AudioReceived, Ignored, PlayAudio, VendorEvent
from telephony.protocols.pcm_payload import mix_down
from telephony.protocols.wav import WavFormatError, read_wav_header

# Source: vendor-docs/ucid-vendor-guide, "Audio Format Requirements".
RATE_HZ = 8000
PACKET_MS = 10
PACKET_SAMPLES = RATE_HZ * PACKET_MS // 1000
PACKET_BYTES = PACKET_SAMPLES * PCM16_SAMPLE_BYTES

# Three seconds at 8 kHz. A longer message is no live audio.
MAX_SAMPLES = 24_000
# Source: KooKoo's pages: a minute of audio is queued, more is dropped without a word.
MAX_QUEUED_MS = 60_000
# One packet is 10 ms; handing them on in pairs halves the work behind the codec and costs 10 ms at most.
HEARD_AT_ONCE_MS = 20
MAX_ODD_FORMATS_IN_A_ROW = 10
CLOSE_BAD_AUDIO_FORMAT = 4415

_RATES_HZ = frozenset({8000, 16000, 24000, 48000})
_WIDE_FIRST_PACKET_HZ = 16000
_BITS = 16
# A sign, five digits, a comma and a blank fit; a longer text is worth a closer look.
_MAX_SAMPLE_CHARS = 8
# A vendor that writes something new into each packet is soon no longer learned from.
_MAX_SHAPES = 8
_BEFORE_SAMPLES = re.compile(r'"samples"\s*:\s*\[')
_INT16_MIN = -32768
_INT16_MAX = 32767
_NUMBERS = frozenset({int, float})
_ONLY_INTEGERS = frozenset({int})
# Of the utterances that can still be acknowledged: a vendor queues a minute at most.
_REMEMBERED_UTTERANCES = 64
_SEQID = re.compile(r"utt[0-9]{1,9}-([0-9]{5,9})")
_AFTER_SAMPLES = (
    f'],"bitsPerSample":16,"sampleRate":{RATE_HZ},"channelCount":1,"numberOfFrames":{PACKET_SAMPLES},"type":"data"}}}}'
)


def read_samples(samples: object) -> tuple[bytes, int]:
    """The PCM16 of an array of samples, and how many of them had to be clipped. Floats without a fraction are taken.

    Raises:
        RemoteProtocolError: it is no array, has more than `MAX_SAMPLES` items, or holds anything but such numbers.
    """
    if type(samples) is not list or len(samples) > MAX_SAMPLES:
        raise RemoteProtocolError("bad_samples", f"`data.samples` must be an array of at most {MAX_SAMPLES} numbers")
    kinds = set(map(type, samples))
    if not kinds <= _ONLY_INTEGERS:
        if not kinds <= _NUMBERS or not all(type(sample) is int or sample.is_integer() for sample in samples):
            raise RemoteProtocolError("bad_samples", "`data.samples` must hold whole numbers only")
        samples = [int(sample) for sample in samples]
    pack = f"<{len(samples)}h"
    try:
        return struct.pack(pack, *samples), 0
    except struct.error:
        clipped = [min(max(sample, _INT16_MIN), _INT16_MAX) for sample in samples]
        changed = sum(before != after for before, after in zip(samples, clipped, strict=True))
        return struct.pack(pack, *clipped), changed


def samples_of_file(wav: bytes) -> bytes:
    """The PCM16 of a file to play.

    Raises:
        LocalProtocolError: it is no mono PCM16 WAV at 8 kHz, or longer than the vendor's queue.
    """
    try:
        header = read_wav_header(wav)
    except WavFormatError as error:
        raise LocalProtocolError(f"the file to play cannot be read: {error}") from None
    if not (header.is_pcm16 and header.channels == 1 and header.rate_hz == RATE_HZ):
        raise LocalProtocolError(f"the file to play must be a mono PCM16 WAV at {RATE_HZ} Hz")
    pcm = header.samples_in(wav)
    if len(pcm) * PACKET_MS > MAX_QUEUED_MS * PACKET_BYTES:
        raise LocalProtocolError(f"the file to play must not be longer than {MAX_QUEUED_MS // 1000} s")
    return pcm


@dataclass(frozen=True, slots=True)
class _Shape:
    """All of a media message but the samples: what stands before and after them, and how many there are."""

    before: str
    after: str
    frames: int


class PacketReader:
    """Reads the `data` of media messages: judges the format of each packet and hands their audio on in pairs.

    A vendor writes all its packets alike, a hundred a second. So the text around the samples of a packet that was read
    in full and found right is remembered, and a message with the same text around its samples need not be read in full.
    """

    def __init__(self) -> None:
        self._has_read = False
        self._odd_formats = 0
        self._waiting = b""
        self._rate_hz = RATE_HZ
        self._shape: _Shape | None = None
        self._shapes_left = _MAX_SHAPES

    def read_familiar(self, text: str) -> list[VendorEvent] | None:
        """The audio that is ready after a message of the remembered shape; None: it must be read in full."""
        shape = self._shape
        if shape is None or not (text.startswith(shape.before) and text.endswith(shape.after)):
            return None
        between = text[len(shape.before) : len(text) - len(shape.after)]
        # The letter is in `true` and `false`, which packing would take for numbers.
        if len(between) > shape.frames * _MAX_SAMPLE_CHARS or "e" in between:
            return None
        try:
            samples = orjson.loads(f"[{between}]")
            pcm = struct.pack(f"<{shape.frames}h", *samples)
        except (orjson.JSONDecodeError, struct.error):
            return None
        self._odd_formats = 0
        return self._hear(pcm, RATE_HZ)

    def remember(self, text: str, data: dict[str, Any]) -> None:
        """Remember the shape of a message that was read in full, if it is the usual one."""
        samples = data["samples"]
        is_usual = (data.get("sampleRate"), data.get("channelCount"), data.get("bitsPerSample")) == (RATE_HZ, 1, _BITS)
        # Without escapes the word in quotation marks can only be a key, and as the only one it is the one we want.
        if not self._shapes_left or not is_usual or not samples or "\\" in text or text.count('"samples"') != 1:
            return
        begin = _BEFORE_SAMPLES.search(text)
        if begin is not None:
            self._shapes_left -= 1
            self._shape = _Shape(text[: begin.end()], text[text.index("]", begin.end()) :], len(samples))

    def forget(self) -> None:
        """Read the next message in full, and all that follow."""
        self._shape = None
        self._shapes_left = 0

    def read(self, data: dict[str, Any]) -> list[VendorEvent]:
        """The audio that is ready after this packet, at the rate it came in, and what was odd about the packet.

        Raises:
            RemoteProtocolError: bad samples, or a format that is not supported; with a `close_code` where ten packets
                in a row have no supported format.
        """
        rate_hz, channels = self._format_of(data)
        pcm, clipped = read_samples(data.get("samples"))
        is_first, self._has_read = not self._has_read, True
        if is_first and rate_hz == _WIDE_FIRST_PACKET_HZ:
            # KooKoo's first packet comes at a rate that the call does not have; its pages say to throw it away.
            return [Ignored("wide_first_packet")]
        events: list[VendorEvent] = []
        if clipped:
            events.append(Ignored("clipped_samples", str(clipped)))
        frames = len(pcm) // (PCM16_SAMPLE_BYTES * channels)
        if data.get("numberOfFrames", frames) != frames:
            events.append(Ignored("wrong_number_of_frames"))
        if not frames:
            events.append(Ignored("empty_media"))
        if channels > 1:
            pcm = mix_down(pcm[: frames * channels * PCM16_SAMPLE_BYTES])
        return events + self._hear(pcm, rate_hz)

    def rest(self) -> list[VendorEvent]:
        """The audio that waits for its pair."""
        if not self._waiting:
            return []
        pcm, self._waiting = self._waiting, b""
        return [AudioReceived(pcm, self._rate_hz)]

    def _hear(self, pcm: bytes, rate_hz: int) -> list[VendorEvent]:
        events: list[VendorEvent] = []
        if rate_hz != self._rate_hz:
            events = self.rest()
            self._rate_hz = rate_hz
        self._waiting += pcm
        if len(self._waiting) * 1000 >= HEARD_AT_ONCE_MS * rate_hz * PCM16_SAMPLE_BYTES:
            events += self.rest()
        return events

    def _format_of(self, data: dict[str, Any]) -> tuple[int, int]:
        """The rate in Hz and the channels of a packet; what it does not name is as the vendor's guide says."""
        named = (data.get("sampleRate", RATE_HZ), data.get("channelCount", 1), data.get("bitsPerSample", _BITS))
        rate_hz, channels = RATE_HZ, 1
        if named != (RATE_HZ, 1, _BITS):
            rate_hz, channels, bits = (value if type(value) is int else 0 for value in named)
            if rate_hz not in _RATES_HZ or channels not in (1, 2) or bits != _BITS:
                self._odd_formats += 1
                is_hopeless = self._odd_formats >= MAX_ODD_FORMATS_IN_A_ROW
                raise RemoteProtocolError(
                    "bad_audio_format",
                    "audio must be PCM16 at 8000, 16000, 24000 or 48000 Hz, mono or stereo",
                    close_code=CLOSE_BAD_AUDIO_FORMAT if is_hopeless else None,
                )
        self._odd_formats = 0
        return rate_hz, channels


@dataclass(slots=True)
class _Utterance:
    """A run of packets of one utterance: the first packet's number, and how far into the utterance it began."""

    item_id: str
    first_packet: int
    from_ms: int
    audio_bytes: int = 0

    def heard_ms(self, packet: int) -> int:
        """How far into the utterance the end of a packet is; the silence that fills the last one up is not of it."""
        packets_ms = (packet - self.first_packet + 1) * PACKET_MS
        return self.from_ms + min(packets_ms, self.audio_bytes * PACKET_MS // PACKET_BYTES)


class PacketWriter:
    """Cuts the agent's audio into packets of exactly 10 ms, each with a `seqid` of its own.

    What does not fill a packet waits for the next audio of the same utterance; the end of an utterance fills it up with
    silence. The vendor drops a `seqid` that it has seen, so the counter runs through the whole call.
    """

    def __init__(self) -> None:
        self._carry = b""
        self._next_packet = 0
        self._utterances: deque[_Utterance] = deque(maxlen=_REMEMBERED_UTTERANCES)
        self._spoken = 0
        self._head = ""

    def play(self, audio: PlayAudio, ucid: str) -> list[str]:
        """The packets that this audio completes.

        Raises:
            LocalProtocolError: the audio does not hold whole samples.
        """
        if len(audio.pcm) % PCM16_SAMPLE_BYTES:
            raise LocalProtocolError("audio to play must hold whole PCM16 samples")
        packets: list[str] = []
        if not self._utterances or self._utterances[-1].item_id != audio.item_id:
            packets = self._fill_up()
            self._begin(audio, ucid)
        self._utterances[-1].audio_bytes += len(audio.pcm)
        pcm = self._carry + audio.pcm if self._carry else audio.pcm
        whole_bytes = len(pcm) - len(pcm) % PACKET_BYTES
        self._carry = pcm[whole_bytes:]
        return packets + self._packets_of(pcm[:whole_bytes])

    def finish(self, item_id: str) -> list[str]:
        """The packet of what is left of this utterance, filled up with silence; none where nothing is left."""
        return self._fill_up() if self._utterances and self._utterances[-1].item_id == item_id else []

    def drop(self) -> None:
        """Forget what does not fill a packet yet: it will not be played."""
        self._carry = b""

    def played(self, seqid: object) -> tuple[str, int] | None:
        """Which utterance was played up to which ms of it with this packet; None for a packet we did not send."""
        match = _SEQID.fullmatch(seqid) if isinstance(seqid, str) else None
        number = int(match[1]) if match else self._next_packet
        if number >= self._next_packet:
            return None
        at = bisect_right(self._utterances, number, key=lambda utterance: utterance.first_packet) - 1
        if at < 0:
            return None
        utterance = self._utterances[at]
        return utterance.item_id, utterance.heard_ms(number)

    def _fill_up(self) -> list[str]:
        if not self._carry:
            return []
        pcm, self._carry = self._carry.ljust(PACKET_BYTES, b"\x00"), b""
        return self._packets_of(pcm)

    def _begin(self, audio: PlayAudio, ucid: str) -> None:
        self._utterances.append(_Utterance(audio.item_id, self._next_packet, audio.offset_ms))
        self._spoken += 1
        self._head = f'{{"event":"media","type":"media","ucid":"{ucid}","seqid":"utt{self._spoken}-'

    def _packets_of(self, pcm: bytes) -> list[str]:
        """The messages for whole packets."""
        if not pcm:
            return []
        # Put together rather than serialised: only the samples and the number change, a hundred times a second.
        rows = np.frombuffer(pcm, np.int16).reshape(-1, PACKET_SAMPLES)
        packets = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY).decode()[2:-2].split("],[")
        number = self._next_packet
        self._next_packet += len(packets)
        return [
            f'{self._head}{number + at:05d}","data":{{"samples":[{samples}{_AFTER_SAMPLES}'
            for at, samples in enumerate(packets)
        ]
