"""Who may do what: one table of roles by route. What is not in the table is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from campaigns.enums import Role
from campaigns.models import ApiToken

EVERYONE = frozenset(Role)
MANAGER = frozenset({Role.MANAGER})
OPERATORS = frozenset({Role.MANAGER, Role.SUPERVISOR})
FEEDERS = frozenset({Role.MANAGER, Role.INTEGRATOR})

READ: Mapping[str, frozenset[Role]] = {"list": EVERYONE, "retrieve": EVERYONE}


def _written_by(roles: frozenset[Role]) -> Mapping[str, frozenset[Role]]:
    return {"create": roles, "partial_update": roles, "destroy": roles}


# Route (the router's basename) → action → roles.
ACCESS: Mapping[str, Mapping[str, frozenset[Role]]] = {
    "customer-list": {**READ, **_written_by(FEEDERS), "imports": FEEDERS},
    "import": {**READ, "rejects": EVERYONE, "undo": FEEDERS},
    "customer": {**READ, **_written_by(FEEDERS)},
    "trunk": {**READ, **_written_by(MANAGER), "release": MANAGER},
    "stream-endpoint": {**READ, **_written_by(MANAGER), "rotate_key": MANAGER},
    "agent": {**READ, **_written_by(MANAGER)},
    "campaign": {
        **READ,
        **_written_by(MANAGER),
        "preflight": MANAGER,
        "rehearse": MANAGER,
        "rehearsal": EVERYONE,
        "launch": MANAGER,
        "approve": MANAGER,
        "pause": OPERATORS,
        "resume": OPERATORS,
        "cancel": MANAGER,
        "archive": MANAGER,
        "unarchive": MANAGER,
        "log": EVERYONE,
        "clone": MANAGER,
        "test_call": MANAGER,
        "override_rules": MANAGER,
        "stats": EVERYONE,
        "blockers": EVERYONE,
    },
    "contact": {**READ, "why_not": EVERYONE},
    "call-attempt": READ,
    "call": {
        **READ,
        "transcript": EVERYONE,
        "analysis": EVERYONE,
        "recording": EVERYONE,
        "timeline": EVERYONE,
    },
    # Integrators may add what a customer asked for elsewhere; lifting a suppression is a manager's decision.
    "suppressed-number": {**READ, "create": EVERYONE, "partial_update": MANAGER, "destroy": MANAGER, "bulk": FEEDERS},
    "dnc-list": {
        **READ,
        "create": MANAGER,
        "partial_update": MANAGER,
        "versions": EVERYONE,
        "upload": FEEDERS,
    },
    "blackout-date": {**READ, "create": MANAGER, "destroy": MANAGER, "bulk": MANAGER},
    # To stop is an emergency, to go on a decision.
    "dialing-stop": {**READ, "create": OPERATORS, "lift": MANAGER},
    "rule-profile": {"list": EVERYONE},
    "webhook-endpoint": {
        "list": FEEDERS,
        "retrieve": FEEDERS,
        **_written_by(FEEDERS),
        "deliveries": FEEDERS,
        "replay": FEEDERS,
        "test": FEEDERS,
        "rotate_secret": FEEDERS,
    },
}


def roles_for(route: str, action: str) -> frozenset[Role]:
    """The roles that may do it; empty when the table does not know it."""
    return ACCESS.get(route, {}).get(action, frozenset())


class RolePermission(BasePermission):
    """Lets a token through when its role stands in the table for the view's route and action."""

    message = "This token's role may not do that."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the request's token may do what it asks for."""
        if not isinstance(request.auth, ApiToken):
            return False
        action = getattr(view, "action", None)
        if action in (None, "metadata"):
            return True  # no such method on this route, or OPTIONS; the view answers 405
        return Role(request.auth.role) in roles_for(view.basename, action)
