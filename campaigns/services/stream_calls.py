"""Calls that come to us by themselves: the socket of a vendor with an endpoint's key becomes a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from campaigns.enums import WebhookEvent
from campaigns.errors import CallRefused
from campaigns.models import Call, StreamEndpoint
from campaigns.policies.clean_text import clean_text
from campaigns.policies.file_names import safe_vendor_call_id
from campaigns.policies.peer_networks import may_connect
from campaigns.queries.call_facts import call_facts
from campaigns.services.calls import MAX_PARAMETER_CHARS, OpenedCall, opened_call, refuse_unless_wanted
from campaigns.services.endpoints import endpoint_of_key
from campaigns.services.outbox import record_event
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number
from telephony.protocols.events import Opened

MAX_NUMBER_CHARS = 32
MAX_PARAMETERS = 64
MAX_PARAMETER_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Admitted:
    """A vendor whose key is good: the endpoint it came to, and the options of its protocol."""

    endpoint_id: int
    options: Mapping[str, Any]


def admit(*, key: str, protocol: str, peer: str, now: datetime) -> Admitted:
    """Who connects with this key from this address.

    Raises:
        CallRefused: 401 no active endpoint of this protocol has the key, 403 the address is not on its list.
    """
    endpoint = endpoint_of_key(key, protocol=protocol, now=now)
    if endpoint is None:
        raise CallRefused(401, "key_unknown", "The key opens nothing here.")
    if not may_connect(endpoint.allowed_networks, peer):
        raise CallRefused(403, "address_not_allowed", "This address may not connect with this key.")
    return Admitted(endpoint.pk, endpoint.config)


def open_stream_call(
    *, endpoint_id: int, opened: Opened, now: datetime, is_wanted: Callable[[], bool] = lambda: True
) -> OpenedCall:
    """Turn a vendor's stream into a call. An id that was used by a finished call makes a new one.

    `is_wanted` is asked last: whether the socket still waits.

    Raises:
        CallRefused: 409 the endpoint has a live call of that id, 410 the endpoint is gone, 503 not wanted any more.
            Nothing was changed.
    """
    endpoint = StreamEndpoint.objects.select_related("agent").filter(pk=endpoint_id).first()
    if endpoint is None:
        raise CallRefused(410, "endpoint_gone", "The endpoint was removed.")
    try:
        with transaction.atomic():
            call = Call.objects.create(
                protocol=endpoint.protocol,
                vendor_call_id=safe_vendor_call_id(opened.vendor_call_id),
                endpoint=endpoint,
                agent=endpoint.agent,
                agent_version=endpoint.agent.version,
                parameters=_parameters(opened.parameters),
                customer_number=_readable(opened.customer_number),
                own_number=_readable(opened.own_number),
                is_outbound=opened.is_outbound,
                started_at=now,
                last_seen_at=now,
            )
            record_event(
                type=WebhookEvent.CALL_STARTED, subject=str(call.id), body=call_facts(call, sequence=1), occurred_at=now
            )
            refuse_unless_wanted(is_wanted)
    except IntegrityError:
        raise CallRefused(409, "call_id_live", "A call of that id is live.") from None
    return opened_call(call, endpoint.agent)


def _readable(number: str) -> str:
    """E.164 where it reads as a number, else what the vendor wrote: a person may still know whom it means."""
    try:
        return parse_phone_number(number, settings.DEFAULT_REGION).e164
    except PhoneNumberError:
        return clean_text(number, max_chars=MAX_NUMBER_CHARS).strip()


def _parameters(told: Mapping[str, str]) -> dict[str, str]:
    return {
        clean_text(name, max_chars=MAX_PARAMETER_NAME_CHARS): clean_text(value, max_chars=MAX_PARAMETER_CHARS)
        for name, value in list(told.items())[:MAX_PARAMETERS]
    }
