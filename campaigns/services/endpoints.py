"""Stream endpoints: made with a key that is shown once, found by it, switched off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from campaigns.models import StreamEndpoint
from campaigns.policies import stream_keys

# A key that is used for every call must not cost a write a call.
LAST_USED_STEP = timedelta(minutes=1)


def create_stream_endpoint(values: Mapping[str, Any], *, now: datetime) -> tuple[StreamEndpoint, str]:
    """A new endpoint of checked fields, and its key, which is kept nowhere and cannot be shown again."""
    key = stream_keys.new_key()
    with transaction.atomic():
        return StreamEndpoint.objects.create(**values, **_marks_of(key), key_made_at=now), key


def change_stream_endpoint(endpoint: StreamEndpoint, values: Mapping[str, Any]) -> StreamEndpoint:
    """The endpoint with the given checked fields changed; live calls go on as they began."""
    for name, value in values.items():
        setattr(endpoint, name, value)
    if values:
        with transaction.atomic():
            endpoint.save(update_fields=list(values))
    return endpoint


def rotate_key(endpoint_id: int, *, now: datetime) -> tuple[StreamEndpoint, str]:
    """Give an endpoint a new key; the old one opens nothing any more, live calls go on."""
    key = stream_keys.new_key()
    with transaction.atomic():
        endpoint = StreamEndpoint.objects.select_for_update().get(pk=endpoint_id)
        for name, value in _marks_of(key).items():
            setattr(endpoint, name, value)
        endpoint.key_made_at, endpoint.last_used_at = now, None
        endpoint.save(update_fields=["key_prefix", "key_digest", "key_made_at", "last_used_at"])
    return endpoint, key


def delete_stream_endpoint(endpoint: StreamEndpoint) -> None:
    """Remove an endpoint.

    Raises:
        ProtectedError: calls came through it; switch it off instead.
    """
    with transaction.atomic():
        endpoint.delete()


def endpoint_of_key(key: str, *, protocol: str, now: datetime) -> StreamEndpoint | None:
    """The active endpoint of that key and protocol, with its agent; None: there is none. Notes the use.

    Tokens that stand in public documents open nothing, even if a row should have one.
    """
    if not key or len(key) > stream_keys.KEY_MAX_CHARS or stream_keys.is_published(key):
        return None
    found = StreamEndpoint.objects.select_related("agent").filter(
        key_digest=stream_keys.digest(key), protocol=protocol, is_active=True
    )
    endpoint = found.first()
    if endpoint is not None and (endpoint.last_used_at is None or now - endpoint.last_used_at >= LAST_USED_STEP):
        is_stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
        StreamEndpoint.objects.filter(is_stale, pk=endpoint.pk).update(last_used_at=now)
        endpoint.last_used_at = now
    return endpoint


def _marks_of(key: str) -> dict[str, str]:
    return {"key_prefix": stream_keys.prefix_of(key), "key_digest": stream_keys.digest(key)}
