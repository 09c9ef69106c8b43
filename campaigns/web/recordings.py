"""Recordings, in the ranges a player asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from campaigns.models import Call
from campaigns.policies.byte_ranges import ByteRange, Unsatisfiable, parse_range
from campaigns.services.recordings import recording_file
from campaigns.web.access import hears_recordings, page, signed_in

logger = logging.getLogger(__name__)

# A player that asks for everything gets this much and asks again (RFC 9110, 15.3.7 lets a 206 hold less).
MAX_PART_BYTES = 1024 * 1024
PIECE_BYTES = 256 * 1024


@require_GET
@page
def play_recording(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    """The call's recording: the range that is asked for, or all of it. Each play is logged with who played it."""
    user = signed_in(request.user)
    call = Call.objects.filter(pk=call_id).first()
    path = recording_file(call) if call and hears_recordings(user) else None
    if path is None:
        raise Http404("There is no recording of this call.")
    size_bytes = path.stat().st_size
    wanted = parse_range(request.headers.get("Range"), size_bytes)
    response = _part(path, wanted, size_bytes)
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = f'inline; filename="call_{call_id}.wav"'
    if wanted is None or (isinstance(wanted, ByteRange) and wanted.start == 0):
        logger.info("recording_played", extra={"call_id": str(call_id), "user_id": user.pk})
    return response


def _part(path: Path, wanted: ByteRange | Unsatisfiable | None, size_bytes: int) -> HttpResponseBase:
    if isinstance(wanted, Unsatisfiable):
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    if wanted is None:
        headers = {"Content-Length": str(size_bytes)}
        return StreamingHttpResponse(_pieces(path), content_type="audio/wav", headers=headers)
    length = min(wanted.length_bytes, MAX_PART_BYTES)
    with path.open("rb") as file:
        file.seek(wanted.start)
        data = file.read(length)
    last = wanted.start + len(data) - 1
    headers = {"Content-Range": f"bytes {wanted.start}-{last}/{size_bytes}"}
    return HttpResponse(data, status=206, content_type="audio/wav", headers=headers)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
    finally:
        await asyncio.to_thread(file.close)
