"""Names of files and of vendor ids: made by us, or checked so that they can do no harm."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from uuid import UUID

# Source: reliability.md X2.
_SAFE_VENDOR_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def safe_vendor_call_id(text: str) -> str:
    """The vendor's call id if it is harmless, else a digest of it: equal ids stay equal, odd ones stay out of paths."""
    if not text or _SAFE_VENDOR_ID.fullmatch(text):
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_timestamp(moment: datetime) -> str:
    """The moment as milliseconds since 1970, as the field's files carry it."""
    return str(int(moment.timestamp() * 1000))


def transcript_file_name(call_id: UUID, started_at: datetime) -> str:
    """The transcript's name; the same call always gets the same one, so a second run rewrites the same file."""
    return f"call_{call_id}_{file_timestamp(started_at)}_transcript.json"


def call_file_name(call_id: UUID, started_at: datetime) -> str:
    """The call-data file's name; stable like the transcript's."""
    return f"call_{call_id}_{file_timestamp(started_at)}.json"


def switch_recording_name(call_id: UUID, started_at: datetime) -> str:
    """Where a switch's recording lies below DATA_DIR/recordings/switch: `2026/11/<call>.wav`."""
    return f"{started_at.astimezone(UTC):%Y/%m}/{call_id}.wav"
