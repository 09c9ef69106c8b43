"""Recordings, in the ranges a player asks for."""

from __future__ import annotations

import logging
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from campaigns.downloads import ranged_file
from campaigns.models import Call
from campaigns.services.recordings import recording_file
from campaigns.web.access import hears_recordings, page, signed_in

logger = logging.getLogger(__name__)


@require_GET
@page
def play_recording(request: HttpRequest, call_id: UUID) -> HttpResponseBase:
    """The call's recording: the range that is asked for, or all of it. Each play is logged with who played it."""
    user = signed_in(request.user)
    call = Call.objects.filter(pk=call_id).first()
    path = recording_file(call) if call and hears_recordings(user) else None
    if path is None:
        raise Http404("There is no recording of this call.")
    wanted = request.headers.get("Range")
    response = ranged_file(path, wanted, content_type="audio/wav", name=f"call_{call_id}.wav", is_inline=True)
    if response.headers.get("Content-Range", "bytes 0-").startswith("bytes 0-"):
        logger.info("recording_played", extra={"call_id": str(call_id), "user_id": user.pk})
    return response
