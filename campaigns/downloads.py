"""Sending files in pieces, whole or in the range that is asked for, without holding one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, TypeVar

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from campaigns.policies.byte_ranges import Unsatisfiable, parse_range

PIECE_BYTES = 256 * 1024
# A client that asks for more than this gets this much and asks again (RFC 9110, 15.3.7 lets a 206 hold less).
MAX_PART_BYTES = 1024 * 1024

R = TypeVar("R", bound=HttpResponseBase)


def whole_file(file: IO[bytes], *, content_type: str, name: str) -> StreamingHttpResponse:
    """A 200 that sends an open file from its beginning and then closes it. `name` is one of ours, safe in a header."""
    size_bytes = file.seek(0, 2)
    file.seek(0)
    return _labeled(_streamed(lambda: file, size_bytes, content_type), name)


def ranged_file(
    path: Path, range_header: str | None, *, content_type: str, name: str, is_inline: bool = False
) -> HttpResponseBase:
    """A 200, 206 or 416, as the Range header asks. Inline, a browser plays the file instead of saving it."""
    size_bytes = path.stat().st_size
    wanted = parse_range(range_header, size_bytes)
    if isinstance(wanted, Unsatisfiable):
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    if wanted is None:
        response: HttpResponseBase = _streamed(lambda: path.open("rb"), size_bytes, content_type)
    else:
        with path.open("rb") as file:
            file.seek(wanted.start)
            part = file.read(min(wanted.length_bytes, MAX_PART_BYTES))
        response = HttpResponse(part, status=206, content_type=content_type)
        response["Content-Range"] = f"bytes {wanted.start}-{wanted.start + len(part) - 1}/{size_bytes}"
    response["Accept-Ranges"] = "bytes"
    return _labeled(response, name, is_inline=is_inline)


def _streamed(open_file: Callable[[], IO[bytes]], size_bytes: int, content_type: str) -> StreamingHttpResponse:
    headers = {"Content-Length": str(size_bytes)}
    return StreamingHttpResponse(_pieces(open_file), content_type=content_type, headers=headers)


def _labeled(response: R, name: str, *, is_inline: bool = False) -> R:
    response["Content-Disposition"] = f'{"inline" if is_inline else "attachment"}; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


async def _pieces(open_file: Callable[[], IO[bytes]]) -> AsyncIterator[bytes]:
    # Opened here: an answer that nobody fetches leaves no file open.
    file = await asyncio.to_thread(open_file)
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
    finally:
        await asyncio.to_thread(file.close)
