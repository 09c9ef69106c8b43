"""The Range header of a request for a recording (RFC 9110, section 14), one range at most."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` to `end`, both included."""

    start: int
    end: int

    @property
    def length_bytes(self) -> int:
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """Answer 416 with `Content-Range: bytes */size`."""


def parse_range(header: str | None, size_bytes: int) -> ByteRange | Unsatisfiable | None:
    """The part that is asked for; None means the whole file (200).

    A header of several ranges or of another unit is ignored, which the RFC allows and which keeps a client from asking
    for a thousand overlapping parts; a malformed or impossible single range is `Unsatisfiable`.
    """
    if header is None or "," in header or not header.strip().lower().startswith("bytes="):
        return None
    match = _RANGE.fullmatch(header.strip().lower().replace(" ", ""))
    if match is None or match.groups() == ("", "") or size_bytes == 0:
        return Unsatisfiable()
    first, last = match.groups()
    if first == "":
        length = min(int(last), size_bytes)
        return ByteRange(size_bytes - length, size_bytes - 1) if length else Unsatisfiable()
    start = int(first)
    end = min(int(last), size_bytes - 1) if last else size_bytes - 1
    return ByteRange(start, end) if start <= end and start < size_bytes else Unsatisfiable()
