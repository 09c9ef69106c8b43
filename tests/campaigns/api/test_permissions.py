"""Who may do what: the table of roles, route by route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLPattern
from rest_framework.test import APIClient

from campaigns.api.permissions import ACCESS
from campaigns.api.urls import router
from campaigns.enums import Role
from tests.campaigns.api.conftest import ClientOf

MAN, SUP, INT = Role.MANAGER, Role.SUPERVISOR, Role.INTEGRATOR
EVERYONE = {MAN, SUP, INT}
UUID = "00000000-0000-4000-8000-000000000000"

# Written out once more, by hand and by path: the table in the code is what is on trial.
EXPECTED = {
    ("GET", "customer-lists/"): EVERYONE,
    ("POST", "customer-lists/"): {MAN, INT},
    ("GET", "customer-lists/1/"): EVERYONE,
    ("PATCH", "customer-lists/1/"): {MAN, INT},
    ("DELETE", "customer-lists/1/"): {MAN, INT},
    ("POST", "customer-lists/1/imports/"): {MAN, INT},
    ("GET", "imports/"): EVERYONE,
    ("GET", "imports/1/"): EVERYONE,
    ("GET", "imports/1/rejects/"): EVERYONE,
    ("POST", "imports/1/undo/"): {MAN, INT},
    ("GET", "customers/"): EVERYONE,
    ("POST", "customers/"): {MAN, INT},
    ("GET", "customers/1/"): EVERYONE,
    ("PATCH", "customers/1/"): {MAN, INT},
    ("DELETE", "customers/1/"): {MAN, INT},
    ("GET", "trunks/"): EVERYONE,
    ("POST", "trunks/"): {MAN},
    ("GET", "trunks/1/"): EVERYONE,
    ("PATCH", "trunks/1/"): {MAN},
    ("DELETE", "trunks/1/"): {MAN},
    ("POST", "trunks/1/release/"): {MAN},
    ("GET", "stream-endpoints/"): EVERYONE,
    ("POST", "stream-endpoints/"): {MAN},
    ("GET", "stream-endpoints/1/"): EVERYONE,
    ("PATCH", "stream-endpoints/1/"): {MAN},
    ("DELETE", "stream-endpoints/1/"): {MAN},
    ("POST", "stream-endpoints/1/rotate-key/"): {MAN},
    ("GET", "agents/"): EVERYONE,
    ("POST", "agents/"): {MAN},
    ("GET", "agents/1/"): EVERYONE,
    ("PATCH", "agents/1/"): {MAN},
    ("DELETE", "agents/1/"): {MAN},
    ("GET", "campaigns/"): EVERYONE,
    ("POST", "campaigns/"): {MAN},
    ("GET", "campaigns/1/"): EVERYONE,
    ("PATCH", "campaigns/1/"): {MAN},
    ("DELETE", "campaigns/1/"): {MAN},
    ("GET", "campaigns/1/preflight/"): {MAN},
    ("POST", "campaigns/1/rehearse/"): {MAN},
    ("GET", "campaigns/1/rehearsal/"): EVERYONE,
    ("POST", "campaigns/1/launch/"): {MAN},
    ("POST", "campaigns/1/approve/"): {MAN},
    ("POST", "campaigns/1/pause/"): {MAN, SUP},
    ("POST", "campaigns/1/resume/"): {MAN, SUP},
    ("POST", "campaigns/1/cancel/"): {MAN},
    ("POST", "campaigns/1/clone/"): {MAN},
    ("POST", "campaigns/1/archive/"): {MAN},
    ("POST", "campaigns/1/unarchive/"): {MAN},
    ("GET", "campaigns/1/log/"): EVERYONE,
    ("POST", "campaigns/1/test-call/"): {MAN},
    ("POST", "campaigns/1/override-rules/"): {MAN},
    ("GET", "campaigns/1/stats/"): EVERYONE,
    ("GET", "campaigns/1/blockers/"): EVERYONE,
    ("GET", "contacts/"): EVERYONE,
    ("GET", "contacts/1/"): EVERYONE,
    ("GET", "contacts/1/why-not/"): EVERYONE,
    ("GET", "call-attempts/"): EVERYONE,
    ("GET", f"call-attempts/{UUID}/"): EVERYONE,
    ("GET", "calls/"): EVERYONE,
    ("GET", f"calls/{UUID}/"): EVERYONE,
    ("GET", f"calls/{UUID}/transcript/"): EVERYONE,
    ("GET", f"calls/{UUID}/analysis/"): EVERYONE,
    ("GET", f"calls/{UUID}/timeline/"): EVERYONE,
    ("GET", f"calls/{UUID}/recording/"): EVERYONE,
    ("GET", "suppressed-numbers/"): EVERYONE,
    ("POST", "suppressed-numbers/"): EVERYONE,
    ("POST", "suppressed-numbers/bulk/"): {MAN, INT},
    ("GET", "suppressed-numbers/1/"): EVERYONE,
    ("PATCH", "suppressed-numbers/1/"): {MAN},
    ("DELETE", "suppressed-numbers/1/"): {MAN},
    ("GET", "dnc-lists/"): EVERYONE,
    ("POST", "dnc-lists/"): {MAN},
    ("GET", "dnc-lists/1/"): EVERYONE,
    ("PATCH", "dnc-lists/1/"): {MAN},
    ("GET", "dnc-lists/1/versions/"): EVERYONE,
    ("POST", "dnc-lists/1/upload/"): {MAN, INT},
    ("GET", "blackout-dates/"): EVERYONE,
    ("POST", "blackout-dates/"): {MAN},
    ("POST", "blackout-dates/bulk/"): {MAN},
    ("GET", "blackout-dates/1/"): EVERYONE,
    ("DELETE", "blackout-dates/1/"): {MAN},
    ("GET", "dialing-stops/"): EVERYONE,
    ("POST", "dialing-stops/"): {MAN, SUP},
    ("GET", "dialing-stops/1/"): EVERYONE,
    ("POST", "dialing-stops/lift/"): {MAN},
    ("GET", "rule-profiles/"): EVERYONE,
    ("GET", "webhook-endpoints/"): {MAN, INT},
    ("POST", "webhook-endpoints/"): {MAN, INT},
    ("GET", "webhook-endpoints/1/"): {MAN, INT},
    ("PATCH", "webhook-endpoints/1/"): {MAN, INT},
    ("DELETE", "webhook-endpoints/1/"): {MAN, INT},
    ("GET", "webhook-endpoints/1/deliveries/"): {MAN, INT},
    ("POST", "webhook-endpoints/1/deliveries/1/replay/"): {MAN, INT},
    ("POST", "webhook-endpoints/1/test/"): {MAN, INT},
    ("POST", "webhook-endpoints/1/rotate-secret/"): {MAN, INT},
}


@dataclass(frozen=True, slots=True)
class Route:
    pattern: URLPattern
    basename: str
    method: str
    action: str


def routes() -> Iterator[Route]:
    """Every route of the API."""
    for pattern in router.urls:
        assert isinstance(pattern, URLPattern)
        view: Any = pattern.callback
        for method, action in view.actions.items():
            if method != "head":
                yield Route(pattern, view.initkwargs["basename"], method.upper(), action)


def test_the_table_names_exactly_the_routes_there_are():
    there_are = {(route.basename, route.action) for route in routes()}
    assert there_are == {(route, action) for route, actions in ACCESS.items() for action in actions}


def test_the_expectation_covers_every_route():
    # A path stands for its route: each pattern and method must be matched by exactly one line above.
    covered = [
        sum(method == route.method and route.pattern.pattern.match(path) is not None for method, path in EXPECTED)
        for route in routes()
    ]
    assert (set(covered), len(covered)) == ({1}, len(EXPECTED))


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_is_expected_and_nothing_else(client_of: ClientOf, role: Role):
    client = client_of(role)
    refused = {
        (method, path)
        for method, path in EXPECTED
        if client.generic(method, f"/api/v1/{path}", "{}", content_type="application/json").status_code == 403
    }
    assert refused == {route for route, roles in EXPECTED.items() if role not in roles}


def test_without_a_token_nothing_is_answered(db):
    client = APIClient()
    answers = {client.generic(method, f"/api/v1/{path}").status_code for method, path in EXPECTED}
    assert answers == {401}
