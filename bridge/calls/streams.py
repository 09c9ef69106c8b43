"""Calls that come to us by themselves: their vendor's key is looked up, then they are opened."""

from __future__ import annotations

from functools import partial

from django.utils import timezone

from bridge.calls.desk import CallDesk, LiveEntry
from campaigns.services import stream_calls
from campaigns.services.calls import OpenedCall
from campaigns.services.stream_calls import Admitted
from telephony.protocols.events import Opened


async def admit(desk: CallDesk, *, key: str, protocol: str, peer: str) -> Admitted:
    """Who connects with this key from this address.

    Raises:
        CallRefused: 401 the key opens nothing, 403 not from there, 503 the database does not answer.
    """
    return await desk.ask(partial(stream_calls.admit, key=key, protocol=protocol, peer=peer, now=timezone.now()))


async def open_stream(desk: CallDesk, *, endpoint_id: int, opened: Opened) -> tuple[OpenedCall, LiveEntry]:
    """Turn a vendor's stream into a call.

    Raises:
        CallRefused: 409 the endpoint has a live call of that id, 410 it is gone, 503 the database does not answer.
    """
    work = partial(stream_calls.open_stream_call, endpoint_id=endpoint_id, opened=opened, now=timezone.now())
    call = await desk.openings.open((endpoint_id, opened.vendor_call_id), work)
    return call, desk.take_in(call)
