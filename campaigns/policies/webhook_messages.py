"""What is sent to a receiver: the bytes of one event and the Standard Webhooks headers that sign them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook

MAX_BODY_BYTES = 20_000
SECRET_PREFIX = "whsec_"  # noqa: S105 the prefix the standard gives to secrets
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh signing secret, `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def message_id(event_id: UUID) -> str:
    """The `webhook-id` of an event: the same for every try and every replay, so that receivers can drop doubles."""
    return f"evt_{event_id.hex}"


def message_body(*, type: str, subject: str, occurred_at: datetime, data: Mapping[str, Any]) -> bytes:
    """The payload `{type, timestamp, data}` as the very bytes that are signed and sent; equal input, equal bytes.

    Data that would make it longer than 20 kB is left out: `data` is then `{subject, url?, is_truncated}`.
    """
    body = _dump({"type": type, "timestamp": occurred_at.isoformat(), "data": dict(data)})
    if len(body) <= MAX_BODY_BYTES:
        return body
    short = {"subject": subject, "is_truncated": True}
    if isinstance(data.get("url"), str):
        short["url"] = data["url"][:500]
    return _dump({"type": type, "timestamp": occurred_at.isoformat(), "data": short})


def signed_headers(
    *, message: str, body: bytes, secrets_in_use: Sequence[str], now: datetime, is_replay: bool = False
) -> dict[str, str]:
    """The headers of one try. While a secret is being rotated there is a signature by each.

    Source: standard-webhooks specification 1.0; `webhook-replay` is ours.
    """
    text = body.decode()
    signatures = [Webhook(secret).sign(msg_id=message, timestamp=now, data=text) for secret in secrets_in_use]
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return {**headers, "webhook-replay": "1"} if is_replay else headers


def _dump(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
