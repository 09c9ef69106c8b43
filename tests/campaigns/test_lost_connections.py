"""PostgreSQL that breaks off, refuses to write or makes wait: nothing is dialed on doubt, and nothing twice."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import Error, connection, connections
from django.utils import timezone

from campaigns.enums import AttemptState, Outcome
from campaigns.models import BridgeNode, CallAttempt, SuppressedNumber
from campaigns.services.attempts import reap
from campaigns.services.dialing import claim_due
from campaigns.tasks.dialing import place_call
from tests import fake_psr
from tests.factories import make_campaign, make_contact, make_trunk
from tests.fake_psr import FakePsr

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not os.environ.get("DATABASE_URL", "").startswith("postgres"), reason="SQLite has no connection to lose"
    ),
]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class CuttingProxy:
    """Stands before PostgreSQL and, once told to, cuts the connection when the reply to the nth COMMIT is due."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.commits_until_cut = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._pass_on, args=(client, socket.create_connection(self._server)))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Request and reply in turn, as libpq talks; a reply that comes in pieces is passed on piece by piece."""
        sides = {client: server, server: client}
        client.settimeout(0.05)
        server.settimeout(0.05)
        is_cut = False
        with client, server, contextlib.suppress(ConnectionError):
            while True:
                for source, target in sides.items():
                    try:
                        data = source.recv(65536)
                    except TimeoutError:
                        continue
                    if not data or (is_cut and source is server):
                        return
                    if source is client and b"COMMIT" in data and self.commits_until_cut:
                        self.commits_until_cut -= 1
                        is_cut = not self.commits_until_cut
                    target.sendall(data)


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    """All of this test's statements go through it."""
    default = connections.settings["default"]
    proxy = CuttingProxy(default["HOST"], int(default["PORT"]))
    straight = {"HOST": default["HOST"], "PORT": default["PORT"]}
    connection.close()
    connection.settings_dict.update(HOST="127.0.0.1", PORT=str(proxy.port))
    yield proxy
    connection.close()
    connection.settings_dict.update(straight)
    proxy.close()


@pytest.fixture
def psr() -> Iterator[FakePsr]:
    with fake_psr.fake_psr() as server:
        yield server


@pytest.fixture
def claimed(psr: FakePsr) -> CallAttempt:
    """An attempt that waits to be placed."""
    now = timezone.now()
    BridgeNode.objects.create(name="b1", capacity=60, seen_at=now + timedelta(hours=1))
    campaign = make_campaign(
        trunk=make_trunk(base_url=psr.url, calls_per_second=100),
        calling_window={"timezone": "", "days": {day: [["00:00", "24:00"]] for day in DAYS}},
        calls_per_second=100,
    )
    make_contact(campaign, next_attempt_at=now)
    (claim,) = claim_due(campaign.trunk_id, now=now)
    return CallAttempt.objects.get(pk=claim.attempt_id)


def place(attempt: CallAttempt) -> None:
    place_call(attempt_id=str(attempt.pk), fence=attempt.fence)


def test_a_marker_whose_commit_was_not_confirmed_is_not_sent(
    proxy: CuttingProxy, psr: FakePsr, claimed: CallAttempt
) -> None:
    proxy.commits_until_cut = 1
    with pytest.raises(Error):
        place(claimed)
    connection.close()
    claimed.refresh_from_db()
    assert (psr.posts, claimed.state) == ([], AttemptState.DISPATCHING)
    place(claimed)
    assert psr.posts == []
    for hours in (1, 2):
        reap(now=timezone.now() + timedelta(hours=hours))
    claimed.refresh_from_db()
    assert (claimed.state, claimed.outcome, claimed.is_counted) == (AttemptState.ENDED, Outcome.UNCONFIRMED, True)


def test_an_answer_whose_commit_was_not_confirmed_is_not_asked_for_again(
    proxy: CuttingProxy, psr: FakePsr, claimed: CallAttempt
) -> None:
    proxy.commits_until_cut = 2
    with pytest.raises(Error):
        place(claimed)
    connection.close()
    place(claimed)
    claimed.refresh_from_db()
    assert (len(psr.posts), claimed.state) == (1, AttemptState.PLACED)


def test_a_database_that_takes_no_writes_stops_dialing(psr: FakePsr, claimed: CallAttempt) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(Error):
            place(claimed)
        with pytest.raises(Error):
            claim_due(claimed.trunk_id, now=timezone.now())
        cursor.execute("SET default_transaction_read_only = off")
    assert psr.posts == []


def test_a_do_not_call_list_that_cannot_be_read_stops_dialing(psr: FakePsr, claimed: CallAttempt) -> None:
    table = SuppressedNumber._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO hidden")
        try:
            with pytest.raises(Error):
                place(claimed)
        finally:
            cursor.execute(f"ALTER TABLE hidden RENAME TO {table}")
    claimed.refresh_from_db()
    assert (psr.posts, claimed.state) == ([], AttemptState.CLAIMED)


def test_no_statement_lock_or_transaction_waits_for_ever() -> None:
    limits = {}
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            limits[name] = cursor.fetchone()[0]
    assert limits == {
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
    }
