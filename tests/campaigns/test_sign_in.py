"""Signing in: a guesser is slowed and told for how long, whether or not there is such a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from campaigns.sign_in import BY_ADDRESS_MAX, BY_NAME_MAX
from tests.factories import NOW, PASSWORD, make_user

pytestmark = pytest.mark.django_db

DOORS = ["/sign-in/", "/admin/login/"]
WRONG = "right"
TOLD = "Too many failed sign-ins. Try again in 15 minutes."


@pytest.fixture(autouse=True)
def nobody_has_failed():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def cheap_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def try_in(door: str, name: str = "ada", password: str = WRONG, address: str = "192.0.2.1"):
    return Client(REMOTE_ADDR=address).post(door, {"username": name, "password": password})


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_a_guesser_is_slowed_and_told_for_how_long(clock, door: str, name: str) -> None:
    make_user(is_staff=True)
    for _ in range(BY_NAME_MAX):
        assert "Too many" not in try_in(door, name).text
    assert TOLD in try_in(door, name).text
    # The right password says no more than a wrong one, and spelling the name in capitals changes nothing.
    assert TOLD in try_in(door, name.upper(), PASSWORD).text
    clock.shift(timedelta(minutes=14, seconds=30))
    assert "Try again in 1 minute." in try_in(door, name, PASSWORD).text
    clock.shift(timedelta(seconds=31))
    assert try_in(door, name, PASSWORD).status_code == (302 if name == "ada" else 200)


def test_who_shares_an_address_or_a_name_with_a_guesser_signs_in() -> None:
    make_user(is_staff=True)
    make_user("sam")
    for _ in range(BY_NAME_MAX):
        try_in("/sign-in/")
    assert TOLD in try_in("/admin/login/", password=PASSWORD).text
    assert try_in("/sign-in/", "sam", PASSWORD).status_code == 302
    assert try_in("/sign-in/", "ada", PASSWORD, address="192.0.2.2").status_code == 302


def test_a_sign_in_forgives_the_failures_before_it() -> None:
    make_user()
    for _ in range(3):
        for _ in range(BY_NAME_MAX - 1):
            try_in("/sign-in/")
        assert try_in("/sign-in/", password=PASSWORD).status_code == 302


def test_an_address_that_tries_many_names_is_slowed() -> None:
    make_user()
    for n in range(BY_ADDRESS_MAX):
        try_in("/sign-in/", f"name-{n}")
    assert TOLD in try_in("/sign-in/", password=PASSWORD).text
    assert try_in("/sign-in/", password=PASSWORD, address="192.0.2.2").status_code == 302


def test_empty_fields_are_no_guess() -> None:
    for _ in range(BY_NAME_MAX + 1):
        assert "Too many" not in try_in("/sign-in/", "", "").text
