"""Both sides of a call as one stereo WAV (8 kHz PCM16): the customer left, the agent right, each where it was heard.

`StereoTimeline` is the arithmetic: audio is laid down at a position, and comes out interleaved once nothing can change
it any more. `Recorder` writes what comes out on a thread of its own, under a temporary name, and renames at the end. A
process that dies leaves a `.part` file whose header says "length unknown": `abandoned_parts` finds it, `repair`
completes it.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from bridge.audio.resample import Resampler
from telephony.protocols.events import PCM16_SAMPLE_BYTES
from telephony.protocols.wav import HEADER_BYTES, build_wav

RATE_HZ: Final = 8_000
CHANNELS: Final = 2
FRAME_BYTES: Final = CHANNELS * PCM16_SAMPLE_BYTES
SAMPLES_PER_MS: Final = RATE_HZ // 1000
PART_SUFFIX: Final = ".part"

# The vendor is sent at most this much before it is heard, so nothing older can still be laid down or taken back.
SETTLE_MS: Final = 2_000
# How often what is settled is handed to the disk, and how much the window then holds of silence to come.
WRITE_EVERY_MS: Final = 1_000
_SPARE_SAMPLES: Final = 2 * RATE_HZ
# Jitter up to this much is closed up, so that the customer's voice has no holes where frames arrived late.
JITTER_MS: Final = 120
_JITTER_SAMPLES: Final = JITTER_MS * SAMPLES_PER_MS
# A peer that sends faster than anyone speaks is recorded only so far ahead; a burst after a lost line is shorter.
MAX_AHEAD_MS: Final = 10_000
_MAX_AHEAD_SAMPLES: Final = MAX_AHEAD_MS * SAMPLES_PER_MS
# Half a minute of both sides: what may wait for a slow disk before audio is replaced by silence.
MAX_PENDING_BYTES: Final = 30 * RATE_HZ * FRAME_BYTES

# Recordings looked at in one go after a crash.
REPAIR_BATCH: Final = 100

# Source: Multimedia Programming Interface and Data Specifications 1.0 (1991), RIFF: sizes at these offsets.
_RIFF_SIZE_OFFSET: Final = 4
_DATA_SIZE_OFFSET: Final = 40
_DATA_HEAD_BYTES: Final = 8
_SIZE: Final = struct.Struct("<I")


class Lane(IntEnum):
    """Which channel of the recording a side goes to."""

    CUSTOMER = 0
    AGENT = 1


class _Side:
    """One side: where what is not laid yet begins, about where it ends, and at which rate it came."""

    __slots__ = ("at_samples", "end_samples", "rate_hz", "resampler", "waiting")

    def __init__(self) -> None:
        self.at_samples = 0
        self.end_samples = 0
        self.waiting: list[bytes] = []
        self.use_rate(RATE_HZ)

    def use_rate(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.resampler = Resampler(rate_hz, RATE_HZ)


class StereoTimeline:
    """Two lanes of samples by position; `settle` releases them interleaved, in order, each sample once."""

    def __init__(self) -> None:
        self.lost_samples = 0
        self._start_samples = 0
        self._lanes = (_Side(), _Side())
        # The first `_length` frames are laid; what follows is silence, kept so that laying need not allocate.
        self._window = np.zeros((0, CHANNELS), dtype="<i2")
        self._length = 0

    def lay(self, lane: Lane, at_ms: float, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
        """Put PCM16 mono on a lane at a position.

        What begins within the jitter allowance of its lane's end joins on.
        Audio that reaches back before what was settled loses that part. What would join on too far ahead of
        its position is left out.
        """
        side = self._lanes[lane]
        if rate_hz != side.rate_hz:
            self._place(lane)
            side.use_rate(rate_hz)
        at = round(at_ms * SAMPLES_PER_MS)
        end = side.end_samples
        length = len(pcm) * RATE_HZ // (PCM16_SAMPLE_BYTES * rate_hz)
        if end - at > _MAX_AHEAD_SAMPLES:
            self.lost_samples += length
            return
        if at > end + _JITTER_SAMPLES or not side.waiting:
            self._place(lane)
            side.at_samples = end = at if at > end + _JITTER_SAMPLES else end
        # Frames of a stream join on one by one; they are converted and laid together, which costs as much as one.
        side.waiting.append(pcm)
        side.end_samples = max(end + length, self._start_samples)
        if side.at_samples < self._start_samples:
            self._place(lane)

    def silence_from(self, lane: Lane, at_ms: float) -> None:
        """Take back what lies on a lane after a position: it was flushed before anyone heard it."""
        self._place(lane)
        offset = max(0, round(at_ms * SAMPLES_PER_MS) - self._start_samples)
        self._window[offset : self._length, lane] = 0
        side = self._lanes[lane]
        side.end_samples = min(side.end_samples, self._start_samples + offset)

    def settle(self, now_ms: float) -> bytes:
        """The interleaved audio up to `now_ms`, which may no longer change."""
        count = round(now_ms * SAMPLES_PER_MS) - self._start_samples
        if count <= 0:
            return b""
        self._place(Lane.CUSTOMER)
        self._place(Lane.AGENT)
        self._reach(count)
        settled = self._window[:count].tobytes()
        left = self._length - count
        self._window[:left] = self._window[count : self._length]
        self._window[left : self._length] = 0
        self._length = left
        self._start_samples += count
        return settled

    def finish(self) -> bytes:
        """Everything that is left."""
        self._place(Lane.CUSTOMER)
        self._place(Lane.AGENT)
        return self.settle((self._start_samples + self._length) / SAMPLES_PER_MS)

    def _place(self, lane: Lane) -> None:
        """Lay what waits."""
        side = self._lanes[lane]
        if not side.waiting:
            return
        samples = np.frombuffer(side.resampler.process(b"".join(side.waiting)), dtype="<i2")
        side.waiting.clear()
        side.end_samples = max(side.at_samples + len(samples), self._start_samples)
        offset = side.at_samples - self._start_samples
        if offset < 0:
            samples, offset = samples[-offset:], 0
        self._reach(offset + len(samples))
        self._window[offset : offset + len(samples), lane] = samples

    def _reach(self, length_samples: int) -> None:
        if length_samples > len(self._window):
            window = np.zeros((length_samples + _SPARE_SAMPLES, CHANNELS), dtype="<i2")
            window[: self._length] = self._window[: self._length]
            self._window = window
        self._length = max(self._length, length_samples)


@dataclass(frozen=True, slots=True)
class Recording:
    """What was written: the file, its length, and how much is missing.

    That is what the disk was too slow for (silence stands there) and what came too far ahead of its time.
    """

    path: Path
    duration_ms: int
    lost_ms: int


class Recorder:
    """Records one call. The methods never touch the disk: they hand bytes to `executor`, in order, within a bound."""

    def __init__(self, path: Path, executor: Executor) -> None:
        self._path = path
        self._executor = executor
        self._timeline = StereoTimeline()
        self._pending = _PendingAudio()
        self._file = _PartFile(path.with_name(path.name + PART_SUFFIX))
        self._next_write_ms = 0.0

    def customer(self, at_ms: float, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
        """The customer's PCM16 mono that began at `at_ms` of the call."""
        self._timeline.lay(Lane.CUSTOMER, at_ms, pcm, rate_hz)

    def agent(self, at_ms: float, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
        """The agent's PCM16 mono that is heard from `at_ms` of the call."""
        self._timeline.lay(Lane.AGENT, at_ms, pcm, rate_hz)

    def agent_cut(self, at_ms: float) -> None:
        """The agent's audio after `at_ms` was flushed and not heard."""
        self._timeline.silence_from(Lane.AGENT, at_ms)

    def tick(self, now_ms: float) -> None:
        """Send on what is settled, once a second however often it is called: each time wakes another thread."""
        if now_ms < self._next_write_ms:
            return
        self._next_write_ms = now_ms + WRITE_EVERY_MS
        settled = self._timeline.settle(now_ms - SETTLE_MS)
        if settled and self._pending.put(settled):
            self._executor.submit(self._write_pending)

    def close(self) -> Future[Recording]:
        """Write the rest and give the file its final name.

        The future has the recording, or the OSError that stopped it (what was written stays in the `.part` file).
        """
        self._pending.put(self._timeline.finish())
        return self._executor.submit(self._finish)

    def _write_pending(self) -> None:
        with self._file.lock:
            try:
                self._file.append(self._pending.take())
            except OSError as error:
                self._file.failure = self._file.failure or error

    def _finish(self) -> Recording:
        self._write_pending()
        with self._file.lock:
            length_bytes = self._file.complete(self._path)
        lost_bytes = self._pending.lost_bytes + self._timeline.lost_samples * FRAME_BYTES
        return Recording(self._path, _duration_ms(length_bytes), _duration_ms(lost_bytes))


class _PendingAudio:
    """What waits for the disk, shared by the loop's thread and a writer's; beyond its bound it keeps only lengths."""

    def __init__(self) -> None:
        self.lost_bytes = 0
        self._lock = threading.Lock()
        self._parts: list[bytes | int] = []
        self._held_bytes = 0

    def put(self, audio: bytes) -> bool:
        """Whether a writer must be called: False while one was called and has not come yet."""
        with self._lock:
            is_first = not self._parts
            if self._held_bytes + len(audio) <= MAX_PENDING_BYTES:
                self._parts.append(audio)
                self._held_bytes += len(audio)
            else:
                self._parts.append(len(audio))
                self.lost_bytes += len(audio)
            return is_first

    def take(self) -> list[bytes | int]:
        """Everything that waits: audio, or the length in bytes of audio that was lost."""
        with self._lock:
            parts, self._parts, self._held_bytes = self._parts, [], 0
            return parts


class _PartFile:
    """The file being written; used by one thread at a time, which holds `lock`."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.Lock()
        self.failure: OSError | None = None
        self._path = path
        self._handle: BinaryIO | None = None

    def append(self, parts: Sequence[bytes | int]) -> None:
        if self.failure is not None:
            return
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self._path.open("wb")
            self._handle.write(build_wav(b"", RATE_HZ, CHANNELS))
        for part in parts:
            self._handle.write(part if isinstance(part, bytes) else bytes(part))
        self._handle.flush()

    def complete(self, path: Path) -> int:
        """Close, write the lengths, rename; the length of the audio in bytes."""
        if self._handle is not None:
            self._handle.close()
        if self.failure is not None:
            raise self.failure
        length_bytes = _write_lengths(self._path)
        self._path.replace(path)
        return length_bytes


def abandoned_parts(directory: Path, *, before_s: float, limit: int = REPAIR_BATCH) -> list[Path]:
    """Unfinished recordings that hold audio and were last written to before `before_s` (Unix time), oldest first.

    Raises:
        OSError: the directory cannot be read.
    """
    found = []
    for path in directory.glob(f"*{PART_SUFFIX}"):
        status = path.stat()
        if status.st_mtime < before_s and status.st_size > HEADER_BYTES:
            found.append((status.st_mtime, path))
    return [path for _, path in sorted(found)[:limit]]


def final_path(part_path: Path) -> Path:
    """The name an unfinished recording gets when it is complete."""
    return part_path.with_name(part_path.name.removesuffix(PART_SUFFIX))


def repair(part_path: Path) -> Recording:
    """Complete the recording a dead process left behind, under its final name.

    Raises:
        OSError: the file cannot be read or written.
    """
    length_bytes = _write_lengths(part_path)
    path = final_path(part_path)
    part_path.replace(path)
    return Recording(path, _duration_ms(length_bytes), lost_ms=0)


def _write_lengths(path: Path) -> int:
    """Set both RIFF lengths from the file's size, cutting off a torn last frame."""
    with path.open("r+b") as file:
        length_bytes = max(0, file.seek(0, os.SEEK_END) - HEADER_BYTES)
        length_bytes -= length_bytes % FRAME_BYTES
        file.truncate(HEADER_BYTES + length_bytes)
        for offset, value in (
            (_RIFF_SIZE_OFFSET, HEADER_BYTES - _DATA_HEAD_BYTES + length_bytes),
            (_DATA_SIZE_OFFSET, length_bytes),
        ):
            file.seek(offset)
            file.write(_SIZE.pack(value))
    return length_bytes


def _duration_ms(length_bytes: int) -> int:
    return length_bytes // FRAME_BYTES // SAMPLES_PER_MS
