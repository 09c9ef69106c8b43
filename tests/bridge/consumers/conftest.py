"""The switches' sockets on a real server, with a desk that writes to the test's database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.consumers.door import _limiter
from campaigns.tasks import results
from tests.bridge.serving import Serving, serving_with
from tests.threads import database_for_threads


@pytest.fixture
def serving(tmp_path: Path, monkeypatch, settings) -> Iterator[Serving]:
    settings.RECORD_CALLS = False
    monkeypatch.setattr(results.process_call, "apply_async", lambda **_: None)
    _limiter._peers.clear()
    with database_for_threads():
        yield serving_with(tmp_path, monkeypatch)
