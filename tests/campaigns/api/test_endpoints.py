"""`stream-endpoints/`."""

from __future__ import annotations

import pytest

from campaigns.models import StreamEndpoint
from campaigns.services.endpoints import endpoint_of_key
from tests.factories import NOW, make_agent, make_endpoint, make_stream_call

ENDPOINTS = "/api/v1/stream-endpoints/"


def body(**fields):
    return {"name": "Hotline", "protocol": "ucid", "agent": make_agent().pk, **fields}


def opens(key: str) -> bool:
    return endpoint_of_key(key, protocol="ucid", now=NOW) is not None


def test_a_new_endpoint_tells_its_key_once(manager):
    answer = manager.post(ENDPOINTS, body(allowed_networks=["203.0.113.7"], config={"sip_number": "1001"}))
    made = answer.json()
    assert (answer.status_code, made["allowed_networks"], made["is_active"]) == (201, ["203.0.113.7/32"], True)
    assert opens(made["key"])
    shown = manager.get(f"{ENDPOINTS}{made['id']}/").json()
    assert shown == {name: value for name, value in made.items() if name != "key"} | {
        "last_used_at": shown["last_used_at"]
    }
    assert made["key"] not in manager.get(ENDPOINTS).text


def test_a_repeated_request_does_not_tell_the_key_again(manager):
    wanted, header = body(), {"HTTP_IDEMPOTENCY_KEY": "once"}
    first, again = (manager.post(ENDPOINTS, wanted, **header) for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert again.json() == first.json() | {"key": None}
    assert StreamEndpoint.objects.count() == 1


def test_a_new_key_ends_the_old_one(manager):
    made = manager.post(ENDPOINTS, body()).json()
    answer = manager.post(f"{ENDPOINTS}{made['id']}/rotate-key/")
    assert (answer.status_code, opens(made["key"]), opens(answer.json()["key"])) == (200, False, True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"protocol": "psr"}, "protocol"),
        ({"protocol": "morse"}, "protocol"),
        ({"protocol": 5}, "protocol"),
        ({"agent": 0}, "agent"),
        ({"agent": None}, "agent"),
        ({"config": []}, "config"),
        ({"config": {"color": "red"}}, "config"),
        ({"config": {"sip_number": 1001}}, "config"),
        ({"allowed_networks": "203.0.113.7"}, "allowed_networks"),
        ({"allowed_networks": ["here"]}, "allowed_networks"),
        ({"is_active": "yes"}, "is_active"),
        ({"key": "mine"}, "key"),
        ({"key_digest": "d" * 64}, "key_digest"),
    ],
)
def test_an_endpoint_is_refused_with_the_field_at_fault(manager, fields, field):
    answer = manager.post(ENDPOINTS, body() | fields)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not StreamEndpoint.objects.exists()


def test_options_are_judged_by_the_protocol_they_will_be_used_with(manager):
    made = manager.post(ENDPOINTS, body(config={"sip_number": "1001"})).json()
    path = f"{ENDPOINTS}{made['id']}/"
    assert manager.patch(path, {"protocol": "livecall"}).status_code == 422
    assert manager.patch(path, {"protocol": "livecall", "config": {"workspace_id": "ws_7"}}).status_code == 200


def test_an_endpoint_is_switched_off(manager):
    made = manager.post(ENDPOINTS, body()).json()
    assert manager.patch(f"{ENDPOINTS}{made['id']}/", {"is_active": False}).json()["is_active"] is False
    assert not opens(made["key"])


def test_an_endpoint_goes_unless_calls_came_through_it(manager):
    used = make_stream_call().endpoint
    assert used is not None
    assert manager.delete(f"{ENDPOINTS}{used.pk}/").json()["code"] == "in_use"
    assert manager.delete(f"{ENDPOINTS}{make_endpoint('Unused').pk}/").status_code == 204


def test_calls_that_came_to_us_are_shown_and_found(supervisor):
    call = make_stream_call()
    (shown,) = supervisor.get(f"/api/v1/calls/?endpoint={call.endpoint_id}&protocol=ucid").json()["results"]
    assert (shown["attempt"], shown["campaign"], shown["endpoint"]) == (None, None, call.endpoint_id)
    assert (shown["phone_number"], shown["own_number"], shown["is_outbound"]) == (
        "+84901234567",
        "+842838123456",
        False,
    )
    assert supervisor.get("/api/v1/calls/?protocol=psr").json()["count"] == 0
    for part in ("transcript", "timeline"):
        assert supervisor.get(f"/api/v1/calls/{call.pk}/{part}/").status_code == 200
