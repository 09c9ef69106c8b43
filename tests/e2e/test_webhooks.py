"""Webhooks to a real receiver that fails at first: everything arrives, signed, and each event takes effect once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e.campaigns import launch_campaign, wait_until_finished
from tests.e2e.harness import PSR_TOKEN, Platform, Simulator, eventually, start_platform, start_simulator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

# Someone without time, someone who hangs up early, and nobody: short calls, and one that never comes about.
NUMBERS = ["0912345623", "0912345652", "0912345664"]
CALL_EVENTS = ["call.started", "call.ended", "call.analyzed"]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came, and what was answered."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """A system that keeps what it is told, but fails to say so the first time: the usual reason for a double."""

    requests: list[Received] = field(default_factory=list)
    effects: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer with; an event that was seen before has no second effect."""
        with self._lock:
            received = Received(headers, body, 204 if self.requests else 500)
            self.requests.append(received)
            self.effects.setdefault(received.id, received.event)
        return received.status

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """The data of every event of a type that took effect."""
        return [event["data"] for event in list(self.effects.values()) if event["type"] == name]


@pytest.fixture(scope="module")
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture(scope="module")
def receiver_address(receiver: Receiver) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test looks at what was received."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path_factory.mktemp("simulator"), "--ring-min", "0.2", "--ring-max", "0.4")
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, simulator: Simulator, receiver_address: str
) -> Iterator[Platform]:
    platform = start_platform(
        tmp_path_factory.mktemp("platform"),
        PSR_BASE_URL=simulator.url,
        PSR_TOKEN=PSR_TOKEN,
        RING_GRACE_S="3",
        WEBHOOK_ALLOW_PRIVATE=receiver_address,
    )
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def endpoint(platform: Platform, receiver_address: str) -> dict[str, Any]:
    """An endpoint for every event, made by the API, with the secret that is shown once."""
    return dict(platform.post("webhook-endpoints/", 201, json={"url": f"http://{receiver_address}/hook"}))


@pytest.fixture(scope="module")
def campaign(platform: Platform, receiver: Receiver, endpoint: dict[str, Any]) -> dict[str, Any]:
    """A campaign that is over, with everything it had to tell told."""
    campaign = launch_campaign(platform, "told", NUMBERS)
    wait_until_finished(platform, campaign, 60)

    def all_told() -> bool:
        last_ones = len(receiver.of_type("campaign.state_changed")), len(receiver.of_type("call.analyzed"))
        return last_ones == (2, 2) and {delivery["state"] for delivery in deliveries(platform, endpoint)} == {"done"}

    eventually("everything is told", all_told, 40)
    return campaign


def deliveries(platform: Platform, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    return platform.every(f"webhook-endpoints/{endpoint['id']}/deliveries/")


def test_every_event_of_a_campaign_arrives(platform: Platform, receiver: Receiver, campaign: dict[str, Any]) -> None:
    assert Counter(event["type"] for event in receiver.effects.values()) == {
        "campaign.state_changed": 2,
        "call.started": 2,
        "call.ended": 2,
        "call.analyzed": 2,
        "contact.finished": 3,
    }
    steps = {(data["from_state"], data["to_state"]) for data in receiver.of_type("campaign.state_changed")}
    assert steps == {("draft", "running"), ("running", "finished")}
    contacts = platform.every("contacts/", campaign=campaign["id"])
    assert {data["contact_id"]: data["last_outcome"] for data in receiver.of_type("contact.finished")} == {
        contact["id"]: contact["last_outcome"] for contact in contacts
    }


def test_the_events_of_a_call_tell_what_the_api_tells(
    platform: Platform, receiver: Receiver, campaign: dict[str, Any]
) -> None:
    for call in platform.every("calls/", campaign=campaign["id"]):
        told = [data for name in CALL_EVENTS for data in receiver.of_type(name) if data["call_id"] == call["id"]]
        # In no promised order: the receiver sorts by `sequence`.
        told.sort(key=lambda data: data["sequence"])
        assert [data["sequence"] for data in told] == [1, 2, 3]
        ended, analyzed = told[1:]
        assert {name: ended[name] for name in ("ended_by", "disposition", "duration_s", "phone_number")} == {
            name: call[name] for name in ("ended_by", "disposition", "duration_s", "phone_number")
        }
        analysis = platform.get(f"calls/{call['id']}/analysis/")
        assert analyzed["analysis"]["metrics"] == analysis["metrics"]


def test_every_request_is_signed_with_the_endpoints_secret(
    receiver: Receiver, campaign: dict[str, Any], endpoint: dict[str, Any]
) -> None:
    signer = Webhook(endpoint["secret"])
    assert [signer.verify(request.body, request.headers) for request in receiver.requests] == [
        request.event for request in receiver.requests
    ]
    first = receiver.requests[0]
    with pytest.raises(WebhookVerificationError):
        signer.verify(first.body + b" ", first.headers)


def test_a_repeated_event_comes_under_the_same_id_and_takes_effect_once(
    receiver: Receiver, campaign: dict[str, Any]
) -> None:
    failed = receiver.requests[0]
    requests_by_id = Counter(request.id for request in receiver.requests)
    assert requests_by_id == Counter({id: 2 if id == failed.id else 1 for id in receiver.effects})
    again = next(request for request in receiver.requests[1:] if request.id == failed.id)
    assert (failed.status, again.status, again.body) == (500, 204, failed.body)


def test_the_delivery_log_shows_the_failed_and_the_good_try(
    platform: Platform, receiver: Receiver, campaign: dict[str, Any], endpoint: dict[str, Any]
) -> None:
    logged = {
        f"evt_{delivery['event_id'].replace('-', '')}": [attempt["status_code"] for attempt in delivery["attempts"]]
        for delivery in deliveries(platform, endpoint)
    }
    failed = receiver.requests[0]
    assert sorted(logged.pop(failed.id)) == [204, 500]
    assert logged == {id: [204] for id in receiver.effects if id != failed.id}
    shown = platform.get(f"webhook-endpoints/{endpoint['id']}/")
    assert (shown["is_enabled"], shown["first_failure_at"], "secret" in shown) == (True, None, False)
