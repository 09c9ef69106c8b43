"""Clients of the API, one for each role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from campaigns.enums import Role
from campaigns.services import access

ClientOf = Callable[[Role], APIClient]


@pytest.fixture
def client_of(db) -> ClientOf:
    """Makes a client that carries a fresh token of a role."""

    def make(role: Role) -> APIClient:
        user, _ = User.objects.get_or_create(username=f"api-{role}")
        _token, plain = access.create_token(user, role, "tests")
        client = APIClient(HTTP_AUTHORIZATION=f"Bearer {plain}")
        client.default_format = "json"
        return client

    return make


@pytest.fixture
def manager(client_of: ClientOf) -> APIClient:
    return client_of(Role.MANAGER)


@pytest.fixture
def integrator(client_of: ClientOf) -> APIClient:
    return client_of(Role.INTEGRATOR)


@pytest.fixture
def supervisor(client_of: ClientOf) -> APIClient:
    return client_of(Role.SUPERVISOR)
