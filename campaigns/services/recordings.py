"""Recordings: the bridge's own and the switch's, where they lie and how the switch's comes here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from campaigns.models import Call
from campaigns.models.trunks import Trunk
from campaigns.policies.file_names import switch_recording_name
from campaigns.policies.step_backoff import wait_for_recording
from campaigns.services.durable_files import data_file
from campaigns.services.step_results import Done, GivenUp, NotYet, StepResult
from telephony.psr.client import AuthScheme, PsrClient, RecordingKind
from telephony.psr.payloads import is_call_id

# Within a task's soft time limit, with room for everything around it.
FETCH_TIMEOUT_S = 45.0
# An hour of both sides at 8 kHz PCM16 is 110 MiB.
MAX_RECORDING_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Source:
    trunk: Trunk
    switch_call_id: str


def recording_file(call: Call) -> Path | None:
    """The call's recording: the bridge's own if there is one (both sides apart), else the switch's; None without."""
    return data_file(call.recording_path) or data_file(call.switch_recording_path)


def fetch_switch_recording(call_id: UUID, *, misses: int, now: datetime) -> StepResult:
    """Fetch the switch's recording of a call. `misses` counts the answers "not there yet" so far.

    It is asked of the trunk's own host, at an address we build; an address on another host is never touched.
    """
    call = Call.objects.select_related("attempt__trunk").get(pk=call_id)
    source = _source_of(call)
    if isinstance(source, GivenUp):
        return source
    relative = Path("recordings") / "switch" / switch_recording_name(call.id, call.started_at)
    destination = Path(settings.DATA_DIR) / relative
    destination.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    client = PsrClient(source.trunk.base_url, source.trunk.token, AuthScheme(source.trunk.auth_scheme))
    result = client.fetch_recording(
        source.switch_call_id, False, destination, MAX_RECORDING_BYTES, total_timeout_s=FETCH_TIMEOUT_S
    )
    if result.kind is RecordingKind.SAVED:
        Call.objects.filter(pk=call_id).update(switch_recording_path=str(relative))
        return Done({"path": str(relative), "size_bytes": result.size_bytes})
    if not result.retryable:
        return GivenUp(f"{result.kind}: {result.detail or result.status_code}")
    wait = wait_for_recording(misses + 1, waited=now - (call.ended_at or now))
    if wait is None:
        return GivenUp(f"{result.kind} for a day")
    return NotYet(now + wait, {"misses": misses + 1, "last": f"{result.kind}: {result.detail or result.status_code}"})


def _source_of(call: Call) -> _Source | GivenUp:
    attempt = call.attempt
    if attempt is None or not attempt.switch_call_id:
        return GivenUp("the call has no recording at a switch")
    if not is_call_id(attempt.switch_call_id):
        return GivenUp("refused: the switch's call id cannot stand in an address")
    if attempt.recording_url and not _same_origin(attempt.recording_url, attempt.trunk.base_url):
        return GivenUp("refused: the switch named a recording on another host")
    if not attempt.trunk.token:
        return GivenUp("refused: the trunk has no token")
    return _Source(attempt.trunk, attempt.switch_call_id)


def _same_origin(url: str, base_url: str) -> bool:
    try:
        there, here = ((parts.scheme, parts.hostname, parts.port) for parts in (urlsplit(url), urlsplit(base_url)))
    except ValueError:
        return False
    return there == here
