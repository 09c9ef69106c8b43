"""Bearer tokens at the door."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.api.authentication import FAILURES_MAX
from campaigns.enums import Role
from campaigns.services import access
from tests.factories import make_user

PATH = "/api/v1/agents/"


@pytest.fixture(autouse=True)
def _no_failures_yet():
    cache.clear()


@pytest.fixture
def plain(db) -> str:
    return access.create_token(make_user(), Role.MANAGER)[1]


def get(authorization: str | None):
    headers: Any = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
    return APIClient().get(PATH, **headers)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_token_opens_the_api(plain, scheme):
    assert get(f"{scheme} {plain}").status_code == 200


def test_without_a_token_the_answer_says_how_to_send_one(db):
    answer = get(None)
    assert (answer.status_code, answer.json()["code"], answer["WWW-Authenticate"]) == (
        401,
        "not_authenticated",
        "Bearer",
    )


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: p.upper(), lambda p: p + "x", lambda p: "x" * 300])
def test_a_text_that_is_no_token_is_refused(plain, change):
    answer = get(f"Bearer {change(plain)}")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "tl_", "Bearer \xff\xfe", ""])
def test_a_header_that_makes_no_sense_is_refused(plain, header):
    assert get(header).status_code == 401


def test_a_token_in_the_query_opens_nothing(plain):
    assert APIClient().get(f"{PATH}?token={plain}").status_code == 401


def test_a_revoked_token_opens_nothing(plain):
    token = access.authenticate(plain, timezone.now())
    assert token is not None
    access.revoke_token(token.pk, now=timezone.now())
    assert get(f"Bearer {plain}").status_code == 401


def test_a_token_of_a_disabled_user_opens_nothing(plain):
    token = access.authenticate(plain, timezone.now())
    assert token is not None
    token.user.is_active = False
    token.user.save()
    assert get(f"Bearer {plain}").status_code == 401


def test_a_guesser_is_slowed_and_a_neighbour_with_a_token_is_not(plain):
    guesses = [get("Bearer tl_guess").status_code for _ in range(FAILURES_MAX + 1)]
    answer = get("Bearer tl_guess")
    assert guesses == [401] * FAILURES_MAX + [429]
    assert (answer.json()["code"], answer["Retry-After"]) == ("throttled", "60")
    assert get(f"Bearer {plain}").status_code == 200


def test_a_session_cookie_opens_nothing(plain):
    client = APIClient()
    client.force_login(make_user("bob", is_superuser=True))
    assert client.get(PATH).status_code == 401
