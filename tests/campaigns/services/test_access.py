"""API tokens: made once, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from campaigns.enums import Role
from campaigns.models import ApiToken
from campaigns.services import access
from tests.factories import NOW, make_user

pytestmark = pytest.mark.django_db


def test_a_token_is_kept_as_a_digest_only():
    token, plain = access.create_token(make_user(), Role.SUPERVISOR, "wallboard")
    assert re.fullmatch(r"tl_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", plain)
    assert (token.digest, token.prefix) == (hashlib.sha256(plain.encode()).hexdigest(), plain[:11])
    row = ApiToken.objects.values().get()
    assert not any(plain[12:] in str(value) for value in row.values())


def test_no_two_tokens_are_alike():
    user = make_user()
    assert len({access.create_token(user, Role.MANAGER)[1] for _ in range(20)}) == 20


def test_a_token_is_found_by_its_text_and_nothing_else():
    token, plain = access.create_token(make_user(), Role.MANAGER)
    assert access.authenticate(plain, NOW) == token
    assert [access.authenticate(text, NOW) for text in ("", plain[:-1], plain.upper(), token.digest, "\ud800")] == [
        None
    ] * 5


def test_its_use_is_noted_at_most_once_a_minute():
    _, plain = access.create_token(make_user(), Role.MANAGER)
    seen = []
    for seconds in (0, 30, 59, 60, 61):
        access.authenticate(plain, NOW + timedelta(seconds=seconds))
        seen.append(ApiToken.objects.get().last_used_at)
    assert seen == [NOW, NOW, NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)]


def test_a_token_is_revoked_once():
    token, plain = access.create_token(make_user(), Role.MANAGER)
    assert [access.revoke_token(token.pk, now=NOW + timedelta(days=day)) for day in (0, 1)] == [True, False]
    assert (access.authenticate(plain, NOW), ApiToken.objects.get().revoked_at) == (None, NOW)


def test_a_user_is_made_once_and_without_a_password():
    made, is_new = access.ensure_user("crm")
    again, is_new_again = access.ensure_user("crm")
    assert (made, is_new, is_new_again) == (again, True, False)
    assert (made.has_usable_password(), made.is_staff, made.is_superuser) == (False, False, False)


@pytest.mark.parametrize("name", ["", "a b", "x" * 151, "a\u0000b"])
def test_a_name_no_user_may_have_is_refused(name):
    with pytest.raises(ValidationError):
        access.ensure_user(name)
