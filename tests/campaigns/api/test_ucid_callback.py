"""`/ucid/callback/<key>`: what KooKoo is told before and after a stream."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from campaigns.enums import EndedBy
from campaigns.models import Call, StreamEndpoint
from campaigns.services.call_requests import prepare_transfer
from campaigns.services.endpoints import create_stream_endpoint
from tests.factories import make_agent

pytestmark = pytest.mark.django_db

SID = "9171763700000123"
NEW_CALL = {"event": "NewCall", "sid": SID, "cid": "919812345610", "cid_e164": "+919812345610", "called_number": "9180"}


def make_endpoint(name: str = "KooKoo", **fields: object) -> tuple[StreamEndpoint, str]:
    values = {"name": name, "protocol": "ucid", "config": {"sip_number": "520123"}, **fields}
    return create_stream_endpoint({**values, "agent": make_agent(f"Agent of {name}")}, now=timezone.now())


def make_stream_call(endpoint: StreamEndpoint, *, ended_ago: timedelta | None = None, sid: str = SID) -> Call:
    now = timezone.now()
    ended = {} if ended_ago is None else {"ended_at": now - ended_ago, "ended_by": EndedBy.TRANSFER}
    return Call.objects.create(
        protocol="ucid",
        vendor_call_id=sid,
        endpoint=endpoint,
        agent=endpoint.agent,
        agent_version=1,
        started_at=now - timedelta(minutes=1) - (ended_ago or timedelta()),
        last_seen_at=now,
        **ended,
    )


@pytest.fixture
def ask(client: Client) -> Callable[..., Any]:
    def get(key: str, **query: str) -> Any:
        return client.get(f"/ucid/callback/{key}", query)

    return get


def instructions(answer: HttpResponse) -> list[Element]:
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert "no-store" in answer["Cache-Control"]
    return list(fromstring(answer.content))


def test_new_call_is_connected_to_our_socket(ask, settings):
    settings.PUBLIC_WS_URL = "wss://voice.example.com"
    _, key = make_endpoint()

    (stream,) = instructions(ask(key, **NEW_CALL))

    assert (stream.tag, stream.text) == ("stream", "520123")
    assert stream.attrib == {
        "is_sip": "true",
        "url": f"wss://voice.example.com/ws?token={key}",
        "x-uui": '{"cid_e164": "+919812345610"}',
    }


@pytest.mark.parametrize("query", [{"sid": SID}, {"cid": "9198"}, {}])
def test_test_button_of_the_portal_gets_an_empty_answer(ask, query):
    _, key = make_endpoint()

    assert instructions(ask(key, event="NewCall", **query)) == []
    assert not Call.objects.exists()


def test_new_call_ends_where_the_endpoint_has_no_sip_number(ask):
    _, key = make_endpoint(config={})

    assert [element.tag for element in instructions(ask(key, **NEW_CALL))] == ["hangup"]


def test_caller_is_handed_to_whom_the_agent_prepared(ask):
    endpoint, key = make_endpoint()
    make_stream_call(endpoint, ended_ago=timedelta(minutes=1))
    call = make_stream_call(endpoint)
    prepare_transfer(call_id=call.id, target="+918012345678", now=timezone.now())

    answers = [instructions(ask(key, event="Stream", sid=SID)) for _ in range(2)]

    assert [[(element.tag, element.text) for element in answer] for answer in answers] == [
        [("dial", "+918012345678")]
    ] * 2


def test_transfer_is_still_known_once_the_call_was_finished(ask):
    endpoint, key = make_endpoint()
    call = make_stream_call(endpoint, ended_ago=timedelta(minutes=9))
    prepare_transfer(call_id=call.id, target="101", now=timezone.now())

    (dial,) = instructions(ask(key, event="Stream", sid=SID))

    assert (dial.tag, dial.text) == ("dial", "101")


@pytest.mark.parametrize("sid", [SID, "unknown", "a b", ""])
def test_caller_without_a_prepared_transfer_is_hung_up(ask, sid):
    endpoint, key = make_endpoint()
    make_stream_call(endpoint)

    assert [element.tag for element in instructions(ask(key, event="Stream", sid=sid))] == ["hangup"]


def test_transfer_of_long_ago_or_of_another_vendor_is_nobodys(ask):
    endpoint, key = make_endpoint()
    other, _ = make_endpoint("Waybeo")
    for call in (make_stream_call(endpoint, ended_ago=timedelta(minutes=11)), make_stream_call(other)):
        prepare_transfer(call_id=call.id, target="101", now=timezone.now())

    assert [element.tag for element in instructions(ask(key, event="Stream", sid=SID))] == ["hangup"]


def test_what_cannot_be_dialed_is_not_told_to_the_vendor(ask):
    endpoint, key = make_endpoint()
    prepare_transfer(call_id=make_stream_call(endpoint).id, target="sip:a@b", now=timezone.now())

    assert [element.tag for element in instructions(ask(key, event="Stream", sid=SID))] == ["hangup"]


@pytest.mark.parametrize(
    ("event", "tags"), [("Dial", ["hangup"]), ("Hangup", []), ("Disconnect", []), ("Other\n", []), ("", [])]
)
def test_every_other_event_is_taken(ask, event, tags):
    _, key = make_endpoint()

    assert [element.tag for element in instructions(ask(key, event=event, sid=SID))] == tags


def test_parameter_given_twice_is_not_believed(client):
    endpoint, key = make_endpoint()
    prepare_transfer(call_id=make_stream_call(endpoint).id, target="101", now=timezone.now())

    (hangup,) = instructions(client.get(f"/ucid/callback/{key}?event=Stream&sid={SID}&sid={SID}"))

    assert hangup.tag == "hangup"


@pytest.mark.parametrize("fields", [{"protocol": "livecall", "config": {}}, {"is_active": False}])
def test_key_of_no_open_ucid_endpoint_is_refused(ask, fields):
    _, key = make_endpoint(**fields)

    answer = ask(key, **NEW_CALL)

    assert (answer.status_code, answer.content) == (401, b"key_unknown")


def test_unknown_key_and_foreign_address_are_refused(ask):
    _, key = make_endpoint(allowed_networks=["203.0.113.0/24"])

    assert ask("tls_00000000_x", **NEW_CALL).status_code == 401
    assert ask(key, **NEW_CALL).status_code == 403


def test_only_get_is_answered(client):
    _, key = make_endpoint()

    assert client.post(f"/ucid/callback/{key}", NEW_CALL).status_code == 405


def test_neither_key_nor_number_is_logged(ask, caplog):
    _, key = make_endpoint(config={})

    with caplog.at_level("INFO"):
        ask(key, **NEW_CALL)

    lines = [str(vars(record)) for record in caplog.records]
    assert any("ucid_callback" in line for line in lines)
    assert not any(secret in line for line in lines for secret in (key, NEW_CALL["cid"]))
