"""What others send wrong: endless uploads, a switch that answers garbage or refuses us, streams that break the rules.

The faulty streams run beside an ordinary call while everything else here goes on.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.campaigns import FINAL, calls_without_an_attempt, launch_campaign, wait_until_finished
from tests.e2e.harness import (
    PSR_TOKEN,
    Platform,
    Simulator,
    eventually,
    signed_in_pages,
    start_platform,
    start_simulator,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TWO_GB = 2_000_000_000
IMPORT_MAX_BYTES = 16_000_000
# The limit, the form around the file, and what the sockets on the way hold.
MOST_TAKEN_BYTES = IMPORT_MAX_BYTES + 8_000_000
PIECE = b"0912345678,Anh,gold\n" * 3_200
NORMAL = "0912345600"
# How each callee breaks the rules (docs/reference/simulator.md): the number, and how the call must end.
FAULTY = {
    "malformed": ("0912345693", "agent_hangup"),
    "huge_message": ("0912345694", "socket_lost"),
    "floods": ("0912345695", "peer_violation"),
    "goes_dead": ("0912345696", "media_lost"),
    "aborts": ("0912345697", "socket_lost"),
    "closes_silently": ("0912345698", "customer_hangup"),
    "closes_twice": ("0912345699", "customer_hangup"),
}
GARBAGE = (
    b"<html><body>It works!</body></html>",
    b'{"code": "OK", "data": {"call_id": "6',
    b'{"code": "OK", "pad": "' + b"x" * 5_000_000 + b'"}',
)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path_factory.mktemp("simulator"), "--ring-min", "0.2", "--ring-max", "0.4")
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the platform keeps what is on its way."""
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator, spool: Path) -> Iterator[Platform]:
    platform = start_platform(
        tmp_path_factory.mktemp("platform"),
        PSR_BASE_URL=simulator.url,
        PSR_TOKEN=PSR_TOKEN,
        DIAL_TOTAL_TIMEOUT_S="6",
        RING_GRACE_S="3",
        IMPORT_MAX_BYTES=str(IMPORT_MAX_BYTES),
        TMPDIR=str(spool),
    )
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def pages(platform: Platform) -> Iterator[httpx.Client]:
    with signed_in_pages(platform) as client:
        yield client


@pytest.fixture(scope="module")
def streams(platform: Platform) -> dict[str, Any]:
    """A campaign whose callees break the protocol in every way, but for one; it runs while the other tests do."""
    return launch_campaign(platform, "streams", [NORMAL, *(number for number, _ in FAULTY.values())])


@pytest.fixture(scope="module")
def garbled_psr(simulator: Simulator) -> Iterator[str]:
    """A PSR that answers garbage to the first requests, places nothing for them, and then comes to its senses."""
    garbage = iter(GARBAGE)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                body = next(garbage, None)
            if body is None:
                passed_on = {name: self.headers[name] for name in ("content-type", "authorization")}
                body = httpx.post(simulator.url + self.path, content=form, headers=passed_on, timeout=10).content
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing: the test looks at the attempts."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def garbled(platform: Platform, garbled_psr: str) -> dict[str, Any]:
    """A campaign on a trunk whose switch answers three of its four requests with garbage; it, too, runs meanwhile."""
    trunk = platform.post("trunks/", 201, json={"name": "garbled", "base_url": garbled_psr, "token": PSR_TOKEN})
    numbers = ["0913345623", "0913345624", "0913345625", "0913345626"]
    return launch_campaign(platform, "garbled", numbers, trunk=trunk["id"])


def request_head(platform: Platform, path: str, *lines: str) -> bytes:
    authorization = platform.api.headers["authorization"]
    head = [f"POST /api/v1/{path} HTTP/1.1", f"Host: {urlsplit(platform.url).netloc}"]
    head += [f"Authorization: {authorization}", "Content-Type: multipart/form-data; boundary=edge", *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def pieces(*, is_chunked: bool) -> Iterator[bytes]:
    """A form with a file of two gigabytes, piece by piece."""
    start = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nphone,name,plan\n'
    for piece in itertools.chain([start], itertools.repeat(PIECE, TWO_GB // len(PIECE))):
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece


def upload_until_answered(platform: Platform, head: bytes, body: Iterator[bytes]) -> tuple[int, dict[str, Any], int]:
    """Send until the server answers: the status, what it says, and how many bytes had been sent by then."""
    address = urlsplit(platform.url)
    sent_bytes = 0
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head)
        for piece in body:
            if select.select([connection], [], [], 0)[0]:
                break
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
            sent_bytes += len(piece)
        answer = HTTPResponse(connection, method="POST")
        answer.begin()
        return answer.status, json.loads(answer.read()), sent_bytes


@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_upload_of_two_gigabytes_is_refused_early(
    platform: Platform, streams: dict[str, Any], garbled: dict[str, Any], spool: Path, is_chunked: bool
) -> None:
    created = platform.post("customer-lists/", 201, json={"name": f"endless {is_chunked}"})
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {TWO_GB}"
    head = request_head(platform, f"customer-lists/{created['id']}/imports/", length)
    status, problem, sent_bytes = upload_until_answered(platform, head, pieces(is_chunked=is_chunked))

    assert (status, problem["code"]) == (413, "too_large")
    assert "Split the file" in problem["detail"]
    # What is declared is refused before it is read; what is not, as soon as the limit is passed.
    assert sent_bytes < MOST_TAKEN_BYTES
    assert created["id"] not in {job["list"] for job in platform.every("imports/")}
    kept = [path for where in (spool, Path(platform.env["DATA_DIR"]) / "uploads") for path in where.rglob("*")]
    assert [path for path in kept if path.is_file() and path.stat().st_size > len(PIECE)] == []


def test_a_refused_token_holds_the_trunk_until_it_is_mended(platform: Platform, simulator: Simulator) -> None:
    trunk = platform.post("trunks/", 201, json={"name": "locked", "base_url": simulator.url, "token": "not-the-token"})
    campaign = launch_campaign(platform, "locked", ["0914345623", "0914345624"], trunk=trunk["id"])

    def held() -> dict[str, Any] | None:
        found = platform.get(f"trunks/{trunk['id']}/")
        return dict(found) if found["hold"] == "auth" else None

    assert "401" in eventually("the trunk is held", held, 20)["hold_detail"]

    def held_back() -> dict[str, Any] | None:
        # The second may have been claimed for a start a moment ahead; it is given back when its turn comes.
        blockers = {blocker["code"]: blocker for blocker in platform.get(f"campaigns/{campaign['id']}/blockers/")}
        return blockers["trunk_held"] if blockers["trunk_held"]["count"] == 2 else None

    assert "refused the token" in eventually("both wait for the trunk", held_back, 20)["label"]
    contacts = platform.every("contacts/", campaign=campaign["id"])
    assert {(contact["state"], contact["attempts_made"]) for contact in contacts} == {("pending", 0)}

    # Released too early, it is held again: the switch still refuses.
    assert platform.post(f"trunks/{trunk['id']}/release/")["hold"] == ""
    eventually("the trunk is held again", held, 40)
    mended = platform.api.patch(f"trunks/{trunk['id']}/", json={"token": PSR_TOKEN})
    assert (mended.status_code, mended.json()["hold"]) == (200, "")
    wait_until_finished(platform, campaign, 80)
    contacts = platform.every("contacts/", campaign=campaign["id"])
    assert {(contact["state"], contact["attempts_made"]) for contact in contacts} == {("done", 1)}


def test_a_switch_that_answers_garbage_makes_attempts_unconfirmed(
    platform: Platform, simulator: Simulator, garbled: dict[str, Any], pages: httpx.Client
) -> None:
    wait_until_finished(platform, garbled, 80)
    attempts = platform.every("call-attempts/", campaign=garbled["id"])
    assert sorted(attempt["outcome"] for attempt in attempts) == ["answered", *3 * ["unconfirmed"]]
    assert calls_without_an_attempt(platform, simulator, garbled) == {}
    unconfirmed = [attempt for attempt in attempts if attempt["outcome"] == "unconfirmed"]
    for attempt in unconfirmed:
        page = pages.get(f"/contacts/{attempt['contact']}/").text
        assert [words for words in ("Unreadable answer", "No proof") if words not in page] == []
    shown = platform.get(f"trunks/{garbled['trunk']}/")
    assert (shown["hold"], shown["throttled_until"]) == ("", None)


def test_faulty_streams_disturb_no_other_call(
    platform: Platform, simulator: Simulator, streams: dict[str, Any]
) -> None:
    wait_until_finished(platform, streams, 120)
    calls = {
        call["phone_number"].replace("+84", "0"): call for call in platform.every("calls/", campaign=streams["id"])
    }
    assert {name: calls[number]["ended_by"] for name, (number, _) in FAULTY.items()} == {
        name: ended_by for name, (_, ended_by) in FAULTY.items()
    }
    assert calls[FAULTY["malformed"][0]]["disposition"] == "completed"

    normal = calls[NORMAL]
    turns = platform.get(f"calls/{normal['id']}/transcript/")["turns"]
    ended = (normal["outcome"], normal["ended_by"], normal["disposition"])
    assert ended == ("answered", "agent_hangup", "completed"), turns
    steps = [step for step in simulator.ledger() if step.get("call_id") == normal["vendor_call_id"]]
    said = sum(step["event"] == "said" for step in steps)
    assert sum(turn["speaker"] == "customer" for turn in turns) == said
    assert sum(step["dropped_ms"] for step in steps if step["event"] == "heard_item") == 0
    contacts = platform.every("contacts/", campaign=streams["id"])
    assert {contact["state"] for contact in contacts} <= FINAL
