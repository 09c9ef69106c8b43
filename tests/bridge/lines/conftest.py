"""Whole calls over real sockets: a server, and what lets each vendor in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from bridge.consumers.door import _limiter
from campaigns.models import Agent
from campaigns.policies import call_tokens
from campaigns.services import endpoints
from campaigns.services.attempts import token_keys
from campaigns.tasks import results
from tests.bridge.serving import Serving, serving_with
from tests.factories import make_attempt, make_campaign, make_contact
from tests.threads import database_for_threads


@pytest.fixture
def serving(tmp_path: Path, monkeypatch, settings) -> Iterator[Serving]:
    settings.RECORD_CALLS = False
    settings.RESUME_GRACE_S = 0.2
    monkeypatch.setattr(results.process_call, "apply_async", lambda **_: None)
    _limiter._peers.clear()
    with database_for_threads():
        yield serving_with(tmp_path, monkeypatch)


def let_in(protocol: str, agent: Agent, name: str = "", **options: Any) -> str:
    """What a vendor of this protocol needs to reach the agent: a token for one call, or a new endpoint's key."""
    now = timezone.now()
    if protocol != "psr":
        values = {
            "name": name or f"{protocol} to {agent.name}",
            "protocol": protocol,
            "agent": agent,
            "config": options,
        }
        return endpoints.create_stream_endpoint(values, now=now)[1]
    contact = make_contact(make_campaign(name, agent=agent))
    attempt = make_attempt(contact, at=now - timedelta(seconds=5), deadline_at=now + timedelta(minutes=1))
    assert attempt.number is not None
    claims = call_tokens.CallTokenClaims(attempt.id, attempt.contact_id, attempt.number, now + timedelta(minutes=5))
    token = call_tokens.mint(claims, keys=token_keys())
    attempt.token_digest = call_tokens.digest(token)
    attempt.save()
    return token
