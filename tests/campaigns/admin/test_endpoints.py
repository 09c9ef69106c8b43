"""Stream endpoints in the admin."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from campaigns.models import StreamEndpoint, Trunk
from campaigns.services.endpoints import endpoint_of_key
from tests.factories import NOW, make_agent, make_endpoint, make_trunk

pytestmark = pytest.mark.django_db
ADD = "admin:campaigns_streamendpoint_add"
CHANGE = "admin:campaigns_streamendpoint_change"
ROTATE = "admin:campaigns_streamendpoint_rotate_key"


def entered(**fields):
    return {
        "name": "Hotline",
        "protocol": "ucid",
        "agent": make_agent().pk,
        "config": "{}",
        "allowed_networks": "203.0.113.7\n198.51.100.0/24",
        "is_active": "on",
        **fields,
    }


def key_on(page) -> str:
    found = re.search(r"data-secret>([^<]+)<", page.text)
    assert found is not None
    assert "no-store" in page.headers["Cache-Control"]
    return found.group(1)


def opens(key: str) -> bool:
    return endpoint_of_key(key, protocol="ucid", now=NOW) is not None


def test_the_key_is_shown_when_it_is_made_and_never_again(admin_client, settings):
    settings.PUBLIC_WS_URL = "wss://voice.example.com"
    answer = admin_client.post(reverse(ADD), entered())
    key = key_on(answer)
    assert "wss://voice.example.com/ws?token=&lt;key&gt;" in answer.text
    endpoint = StreamEndpoint.objects.get()
    assert (opens(key), endpoint.allowed_networks) == (True, ["203.0.113.7/32", "198.51.100.0/24"])
    page = admin_client.get(reverse(CHANGE, args=[endpoint.pk]))
    assert key not in page.text
    assert "203.0.113.7/32\n198.51.100.0/24" in page.text


def test_the_form_names_the_options_there_are(admin_client):
    assert "KooKoo (ucid): confirms_hangup, sip_number;" in admin_client.get(reverse(ADD)).text


def test_a_change_keeps_the_key(admin_client):
    key = key_on(admin_client.post(reverse(ADD), entered()))
    endpoint = StreamEndpoint.objects.get()
    answer = admin_client.post(reverse(CHANGE, args=[endpoint.pk]), entered(name="Night line", allowed_networks=""))
    endpoint.refresh_from_db()
    assert (answer.status_code, endpoint.name, endpoint.allowed_networks) == (302, "Night line", [])
    assert opens(key)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"protocol": "psr"}, "Select a valid choice"),
        ({"config": '{"color": "red"}'}, "no option of this protocol"),
        ({"allowed_networks": "here"}, "is no address or network"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(admin_client, fields, text):
    page = admin_client.post(reverse(ADD), entered(**fields))
    assert (page.status_code, text in page.text, StreamEndpoint.objects.count()) == (200, True, 0)


def test_a_new_key_is_made_after_a_question(admin_client):
    old = key_on(admin_client.post(reverse(ADD), entered()))
    address = reverse(ROTATE, args=[StreamEndpoint.objects.get().pk])
    assert "Make a new key?" in admin_client.get(address).text
    assert opens(old)
    new = key_on(admin_client.post(address))
    assert (opens(old), opens(new)) == (False, True)


def test_there_is_no_key_for_an_endpoint_that_is_not_there(admin_client):
    assert admin_client.post(reverse(ROTATE, args=[0])).status_code == 404


def test_a_trunk_says_whose_sockets_are_let_in(admin_client):
    trunk = make_trunk()
    form = admin_client.get(reverse("admin:campaigns_trunk_change", args=[trunk.pk])).context["adminform"].form
    fields = {name: value for name, value in form.initial.items() if value is not None}
    fields |= {"tenant": "acme", "allowed_networks": "203.0.113.7", "is_enabled": "on"}
    answer = admin_client.post(reverse("admin:campaigns_trunk_change", args=[trunk.pk]), fields)
    assert answer.status_code == 302
    assert list(Trunk.objects.values_list("tenant", "allowed_networks")) == [("acme", ["203.0.113.7/32"])]


def test_an_endpoint_is_listed_without_its_secret(admin_client):
    endpoint = make_endpoint()
    page = admin_client.get(reverse("admin:campaigns_streamendpoint_changelist"))
    assert endpoint.key_prefix in page.text
    assert endpoint.key_digest not in page.text
