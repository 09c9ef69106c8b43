"""Who may do what: the table of roles, route by route."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import URLPattern
from rest_framework.test import APIClient

from campaigns.api.permissions import ACCESS
from campaigns.api.urls import router
from campaigns.enums import Role
from tests.campaigns.api.conftest import ClientOf

M, S, I = Role.MANAGER, Role.SUPERVISOR, Role.INTEGRATOR
EVERYONE = {M, S, I}
UUID = "00000000-0000-4000-8000-000000000000"

# Written out once more, by hand and by path: the table in the code is what is on trial.
EXPECTED = {
    ("GET", "customer-lists/"): EVERYONE,
    ("POST", "customer-lists/"): {M, I},
    ("GET", "customer-lists/1/"): EVERYONE,
    ("PATCH", "customer-lists/1/"): {M, I},
    ("DELETE", "customer-lists/1/"): {M, I},
    ("POST", "customer-lists/1/imports/"): {M, I},
    ("GET", "imports/"): EVERYONE,
    ("GET", "imports/1/"): EVERYONE,
    ("GET", "imports/1/rejects/"): EVERYONE,
    ("POST", "imports/1/undo/"): {M, I},
    ("GET", "customers/"): EVERYONE,
    ("POST", "customers/"): {M, I},
    ("GET", "customers/1/"): EVERYONE,
    ("PATCH", "customers/1/"): {M, I},
    ("DELETE", "customers/1/"): {M, I},
    ("GET", "trunks/"): EVERYONE,
    ("POST", "trunks/"): {M},
    ("GET", "trunks/1/"): EVERYONE,
    ("PATCH", "trunks/1/"): {M},
    ("DELETE", "trunks/1/"): {M},
    ("POST", "trunks/1/release/"): {M},
    ("GET", "agents/"): EVERYONE,
    ("POST", "agents/"): {M},
    ("GET", "agents/1/"): EVERYONE,
    ("PATCH", "agents/1/"): {M},
    ("DELETE", "agents/1/"): {M},
    ("GET", "campaigns/"): EVERYONE,
    ("POST", "campaigns/"): {M},
    ("GET", "campaigns/1/"): EVERYONE,
    ("PATCH", "campaigns/1/"): {M},
    ("DELETE", "campaigns/1/"): {M},
    ("POST", "campaigns/1/launch/"): {M},
    ("POST", "campaigns/1/pause/"): {M, S},
    ("POST", "campaigns/1/resume/"): {M, S},
    ("POST", "campaigns/1/cancel/"): {M},
    ("POST", "campaigns/1/clone/"): {M},
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
    ("GET", f"calls/{UUID}/recording/"): {M, S},
    ("GET", "suppressed-numbers/"): EVERYONE,
    ("POST", "suppressed-numbers/"): EVERYONE,
    ("POST", "suppressed-numbers/bulk/"): {M, I},
    ("GET", "suppressed-numbers/1/"): EVERYONE,
    ("PATCH", "suppressed-numbers/1/"): {M},
    ("DELETE", "suppressed-numbers/1/"): {M},
    ("GET", "webhook-endpoints/"): {M, I},
    ("POST", "webhook-endpoints/"): {M, I},
    ("GET", "webhook-endpoints/1/"): {M, I},
    ("PATCH", "webhook-endpoints/1/"): {M, I},
    ("DELETE", "webhook-endpoints/1/"): {M, I},
    ("GET", "webhook-endpoints/1/deliveries/"): {M, I},
    ("POST", "webhook-endpoints/1/deliveries/1/replay/"): {M, I},
    ("POST", "webhook-endpoints/1/test/"): {M, I},
    ("POST", "webhook-endpoints/1/rotate-secret/"): {M, I},
}


def routes() -> Iterator[tuple[URLPattern, str, str]]:
    """Every route of the API as (pattern, method, action)."""
    for pattern in router.urls:
        for method, action in pattern.callback.actions.items():
            if method != "head":
                yield pattern, method.upper(), action


def test_the_table_names_exactly_the_routes_there_are():
    there_are = {(pattern.callback.initkwargs["basename"], action) for pattern, _, action in routes()}
    assert there_are == {(route, action) for route, actions in ACCESS.items() for action in actions}


def test_the_expectation_covers_every_route():
    # A path stands for its route: each pattern and method must be matched by exactly one line above.
    covered = [
        sum(asked == method and pattern.pattern.match(path) is not None for asked, path in EXPECTED)
        for pattern, method, _ in routes()
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
