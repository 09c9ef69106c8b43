"""`manage.py create_api_token`."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns.services import access
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("create_api_token", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_token_stands_alone_on_standard_output():
    out, err = run("crm", "--role", "integrator", "--name", "CRM")
    token = access.authenticate(out.removesuffix("\n"), timezone.now())
    assert token is not None
    assert (token.user.username, token.role, token.name) == ("crm", "integrator", "CRM")
    assert "crm" in err


def test_a_user_who_exists_stays_as_they_are():
    make_user("ada")
    _, err = run("ada", "--role", "manager")
    assert (User.objects.get().has_usable_password(), err) == (True, "")


@pytest.mark.parametrize("arguments", [("crm",), ("crm", "--role", "king"), ("a b", "--role", "manager")])
def test_a_wrong_call_is_refused(arguments):
    with pytest.raises(CommandError):
        run(*arguments)
    assert User.objects.count() == 0
