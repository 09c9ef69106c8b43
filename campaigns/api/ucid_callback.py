"""`/ucid/callback/<key>`: where KooKoo asks what to do with a call before, and after, its stream.

The key is the stream endpoint's own. Whoever has one gets XML and 200, whatever is asked.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from campaigns.errors import CallRefused
from campaigns.policies import ucid_answers
from campaigns.queries.prepared_transfer import prepared_transfer
from campaigns.services.stream_calls import Admitted, admit
from telephony.protocols.registry import PROTOCOLS
from telephony.protocols.strict_json import shown
from telephony.protocols.ucid_fields import is_dialable, is_ucid

log = logging.getLogger(__name__)

PROTOCOL = "ucid"


@require_GET
@never_cache
def ask(request: HttpRequest, key: str) -> HttpResponse:
    """Answer one question of the vendor's; 401 for a key that opens nothing, 403 for an address off its list."""
    now = timezone.now()
    try:
        admitted = admit(key=key, protocol=PROTOCOL, peer=request.META.get("REMOTE_ADDR", ""), now=now)
    except CallRefused as refused:
        return HttpResponse(refused.code, status=refused.status, content_type="text/plain")
    told = {name: values[0] for name, values in request.GET.lists() if len(values) == 1}
    event = told.get("event", "")
    log.info("ucid_callback", extra={"event_name": shown(event), "endpoint": admitted.endpoint_id})
    return HttpResponse(_answer(event, told, admitted, key, now), content_type="text/xml; charset=utf-8")


def _answer(event: str, told: dict[str, str], admitted: Admitted, key: str, now: datetime) -> bytes:
    match event:
        case "NewCall":
            return _answer_new_call(told, admitted, key)
        case "Stream":
            return _answer_stream(told, admitted, now)
        case "Dial":
            # Whoever was dialed has hung up or did not answer; the caller is still there, and nobody else is.
            return ucid_answers.hang_up()
        case _:
            return ucid_answers.nothing()


def _answer_new_call(told: dict[str, str], admitted: Admitted, key: str) -> bytes:
    if not told.get("sid") or not told.get("cid"):
        # The button "Test" in the vendor's portal: no call, and no answer wanted.
        return ucid_answers.nothing()
    sip_number = admitted.options.get("sip_number", "")
    if not sip_number:
        log.warning("ucid_callback_without_sip_number", extra={"endpoint": admitted.endpoint_id})
        return ucid_answers.hang_up()
    ws_url = f"{settings.PUBLIC_WS_URL}/{PROTOCOLS[PROTOCOL].route}"
    return ucid_answers.open_stream(ws_url=ws_url, key=key, sip_number=sip_number, told=told)


def _answer_stream(told: dict[str, str], admitted: Admitted, now: datetime) -> bytes:
    sid = told.get("sid", "")
    number = prepared_transfer(admitted.endpoint_id, sid, now=now) if is_ucid(sid) else ""
    return ucid_answers.dial(number) if is_dialable(number) else ucid_answers.hang_up()
