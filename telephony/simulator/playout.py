"""What the callee hears of the audio a bot sends, sample by sample, under either reading of PSR's `chunk`.

PSR does not say how it plays chunks (protocols: "Which way does PSR play chunks?"), so both readings are here:

* `FILES`: every chunk is a file of its own in a queue. A file begins on a switch frame, so one whose length is not a
  whole number of frames is followed by a short gap, and `file_gap_ms` adds the padding of a careless conversion.
* `STREAM`: chunks are parts of one stream and are joined without a seam.

`media` files are queued or take the place of what plays (`is_sync`). This class owns no clock: time is the number of
samples taken so far.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from telephony.simulator.audio import RATE_HZ, SAMPLES_PER_MS, Samples, silence

MAX_QUEUED_SAMPLES = 600 * RATE_HZ
# Audio after a longer gap counts as another thing heard.
RUN_GAP_MS = 300


class Hypothesis(StrEnum):
    """How chunks are played."""

    FILES = "h1"
    STREAM = "h2"


class Replacement(StrEnum):
    """What a `media` file with `is_sync` false stops: the vendor speaks of the playing file, the queue is unsaid."""

    PLAYING = "playing"
    QUEUE = "queue"


class Kind(StrEnum):
    """What a piece of audio was sent as."""

    CHUNK = "chunk"
    FILE = "file"
    OPENING = "opening"


@dataclass(frozen=True, slots=True)
class PlayoutSettings:
    """`start_delay_ms` passes between the arrival of audio on an idle line and its first audible sample."""

    hypothesis: Hypothesis = Hypothesis.STREAM
    replacement: Replacement = Replacement.QUEUE
    start_delay_ms: int = 60
    file_gap_ms: int = 0


@dataclass(frozen=True, slots=True)
class HeardItem:
    """A stretch of bot audio as the callee truly heard it. Times are ms since the stream began.

    `received_ms` is when its first piece arrived, `heard_ms` how much was audible, `gap_ms` how much silence fell
    between its pieces, `dropped_ms` how much of the pieces was never played.
    """

    number: int
    kind: Kind
    received_ms: int
    from_ms: int
    to_ms: int
    heard_ms: int
    gap_ms: int
    dropped_ms: int
    pieces: int


@dataclass(slots=True)
class _Piece:
    kind: Kind
    samples: Samples
    received_at: int
    ready_at: int
    position: int = 0


@dataclass(slots=True)
class _Run:
    """The stretch that is being heard; positions are samples since the stream began."""

    kind: Kind
    received_at: int
    start: int
    end: int
    heard: int = 0
    dropped: int = 0
    pieces: int = 0


class Playout:
    """The queue between a bot's messages and a callee's ear."""

    def __init__(self, settings: PlayoutSettings) -> None:
        self._settings = settings
        self._pieces: deque[_Piece] = deque()
        self._run: _Run | None = None
        self._finished: list[HeardItem] = []
        self._items = 0
        self._carry = b""
        self.now_samples = 0
        self.heard_samples = 0
        self.dropped_samples = 0
        self.queued_samples = 0

    @property
    def is_playing(self) -> bool:
        """Whether audio is still to be heard."""
        return bool(self._pieces)

    @property
    def hypothesis(self) -> Hypothesis:
        """How chunks are played."""
        return self._settings.hypothesis

    def receive_chunk(self, pcm: bytes) -> bool:
        """Take a chunk of PCM16; False where the queue is full and it is lost."""
        if self._settings.hypothesis is Hypothesis.STREAM:
            pcm = self._carry + pcm
            self._carry = pcm[len(pcm) // 2 * 2 :]
        return self._queue(Kind.CHUNK, np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2"))

    def receive_file(self, samples: Samples, *, is_queued: bool, kind: Kind = Kind.FILE) -> bool:
        """Take a whole file; unless `is_queued` it stops what plays. False where the queue is full and it is lost."""
        if not is_queued:
            self.stop(self._settings.replacement)
        return self._queue(kind, samples)

    def stop(self, extent: Replacement = Replacement.QUEUE) -> None:
        """Play no more of what plays now, or of all that waits."""
        while self._pieces:
            piece = self._pieces.popleft()
            self._drop(piece)
            if extent is Replacement.PLAYING:
                break

    def take(self, samples: int) -> Samples:
        """What is heard in the next `samples`; silence where nothing plays."""
        heard = silence(samples)
        filled = 0
        while filled < samples and self._pieces:
            piece = self._pieces[0]
            wait = piece.ready_at - (self.now_samples + filled)
            if wait > 0:
                filled += min(wait, samples - filled)
                continue
            count = min(samples - filled, len(piece.samples) - piece.position)
            heard[filled : filled + count] = piece.samples[piece.position : piece.position + count]
            self._hear(piece, self.now_samples + filled, count)
            filled += count
            if piece.position == len(piece.samples):
                self._pieces.popleft()
                filled = self._after(piece, filled, samples)
        self.now_samples += samples
        if self._run and not self._pieces and self.now_samples - self._run.end > RUN_GAP_MS * SAMPLES_PER_MS:
            self._finish_run()
        return heard

    def drain_heard(self) -> list[HeardItem]:
        """The stretches that have ended since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def close(self) -> list[HeardItem]:
        """End the call: nothing more is heard. Returns what `drain_heard` would, with the unfinished stretch."""
        self.stop()
        self._finish_run()
        return self.drain_heard()

    def _queue(self, kind: Kind, samples: Samples) -> bool:
        if not len(samples):
            return True
        if self.queued_samples + len(samples) > MAX_QUEUED_SAMPLES:
            return False
        delay = 0 if self._pieces else self._settings.start_delay_ms * SAMPLES_PER_MS
        self._pieces.append(_Piece(kind, samples, self.now_samples, self.now_samples + delay))
        self.queued_samples += len(samples)
        return True

    def _after(self, piece: _Piece, filled: int, samples: int) -> int:
        """How much of the frame is used once `piece` has ended: all of it where a file ends inside."""
        is_seamless = piece.kind is Kind.CHUNK and self._settings.hypothesis is Hypothesis.STREAM
        if is_seamless or not self._pieces:
            return filled
        gap = self._settings.file_gap_ms * SAMPLES_PER_MS
        self._pieces[0].ready_at = max(self._pieces[0].ready_at, self.now_samples + filled + gap)
        return samples

    def _hear(self, piece: _Piece, at: int, count: int) -> None:
        run = self._run
        is_new = run is None or run.kind is not piece.kind or at - run.end > RUN_GAP_MS * SAMPLES_PER_MS
        if is_new or run is None:
            self._finish_run()
            run = self._run = _Run(piece.kind, piece.received_at, start=at, end=at)
        if piece.position == 0:
            run.pieces += 1
        piece.position += count
        run.end = at + count
        run.heard += count
        self.heard_samples += count
        self.queued_samples -= count

    def _drop(self, piece: _Piece) -> None:
        left = len(piece.samples) - piece.position
        self.queued_samples -= left
        self.dropped_samples += left
        if self._run:
            self._run.dropped += left

    def _finish_run(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        self._items += 1
        self._finished.append(
            HeardItem(
                number=self._items,
                kind=run.kind,
                received_ms=run.received_at // SAMPLES_PER_MS,
                from_ms=run.start // SAMPLES_PER_MS,
                to_ms=run.end // SAMPLES_PER_MS,
                heard_ms=run.heard // SAMPLES_PER_MS,
                gap_ms=(run.end - run.start - run.heard) // SAMPLES_PER_MS,
                dropped_ms=run.dropped // SAMPLES_PER_MS,
                pieces=run.pieces,
            )
        )
