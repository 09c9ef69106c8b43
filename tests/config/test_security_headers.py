"""Every response of the site carries its headers: every route, whoever asks, and every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.urls.converters import UUIDConverter

from campaigns.enums import Role
from config.first_start import make_groups
from config.security_headers import ADMIN, API_DOCS, EVERYWHERE, PAGES, PROGRAMS
from tests.factories import make_call, make_user

pytestmark = pytest.mark.django_db


def addresses(resolver: URLResolver, sample: dict[type, str], prefix: str = "/") -> Iterator[str]:
    """One address for every route: `sample` fills converters of a type in, anything else becomes 1."""
    for possibilities, _, _, converters in {id(entry): entry for entry in _entries(resolver)}.values():
        for template, names in possibilities:
            values = {name: sample.get(type(converters.get(name)), "1") for name in names}
            yield prefix + template % values
    for deeper, inner in resolver.namespace_dict.values():
        yield from addresses(inner, sample, prefix + deeper)


def _entries(resolver: URLResolver) -> Iterator[tuple[Any, ...]]:
    for _, entries in resolver.reverse_dict.lists():
        yield from entries


def watcher() -> Client:
    """Somebody who may enter the admin and only look."""
    make_groups()
    visitor = Client()
    visitor.force_login(make_user(role=Role.SUPERVISOR, is_staff=True))
    return visitor


def test_every_route_carries_the_headers_and_none_breaks(client: Client, admin_client: Client) -> None:
    call = make_call()
    found = sorted(set(addresses(get_resolver(), {UUIDConverter: str(call.pk)})))
    assert {"/", "/admin/", "/sign-in/", "/api/schema/", f"/calls/{call.pk}/", "/metrics"} < set(found)
    bare, broken = [], []
    for visitor in (client, admin_client, watcher()):
        visitor.raise_request_exception = False
        for address in found:
            response = visitor.get(address)
            if any(response.headers.get(name) != value for name, value in EVERYWHERE.items()):
                bare.append(address)
            if "default-src 'none'" not in response.headers.get("Content-Security-Policy", ""):
                bare.append(address)
            if response.status_code == 500:
                broken.append(address)
    assert (bare, broken) == ([], [])


@pytest.mark.parametrize(
    ("path", "status", "policy"),
    [
        ("/sign-in/", 200, PAGES),
        ("/nothing/here/", 404, PAGES),
        ("/static/css/base.css", 200, PAGES),
        ("/admin/login/", 200, ADMIN),
        ("/api/docs/", 200, API_DOCS),
        ("/api/v1/campaigns/", 401, PROGRAMS),
        ("/api/v2/", 404, PROGRAMS),
        ("/health/live", 200, PROGRAMS),
        ("/metrics", 200, PROGRAMS),
    ],
)
def test_each_part_of_the_site_may_load_what_it_needs(client: Client, path: str, status: int, policy: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["Content-Security-Policy"]) == (status, policy)


def test_a_host_we_do_not_know_is_refused_with_the_headers(client: Client) -> None:
    response = client.get("/", headers={"Host": "evil.example"})
    assert (response.status_code, response.headers["Content-Security-Policy"]) == (400, PAGES)
    assert "That makes no sense to us" in response.content.decode()


def test_a_stale_form_is_refused_in_our_words() -> None:
    visitor = Client(enforce_csrf_checks=True)
    visitor.force_login(make_user())
    response = visitor.post("/campaigns/1/pause/")
    assert (response.status_code, response.headers["Content-Security-Policy"]) == (403, PAGES)
    assert "This form has gone stale" in response.content.decode()


def test_an_error_of_ours_is_told_in_our_words(client: Client, monkeypatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("campaigns.web.overview.overview", fails)
    client.force_login(make_user())
    client.raise_request_exception = False
    response = client.get("/")
    assert (response.status_code, response.headers["Content-Security-Policy"]) == (500, PAGES)
    assert "That was our mistake" in response.content.decode()
    assert "a bug" not in response.content.decode()


def test_the_icon_is_where_browsers_look_for_it(client: Client) -> None:
    response = client.get("/favicon.ico", follow=True)
    assert response.redirect_chain == [("/static/img/mark.svg", 302)]
    assert response.headers["Content-Type"] == "image/svg+xml"


def test_the_admin_and_the_docs_show_the_icon(admin_client: Client) -> None:
    for address in ("/admin/", "/api/docs/"):
        assert "/static/img/mark.svg" in admin_client.get(address).content.decode()
