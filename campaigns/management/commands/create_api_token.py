"""`manage.py create_api_token USERNAME --role ROLE`: makes an API token and prints it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from campaigns.enums import Role
from campaigns.services import access


class Command(BaseCommand):
    help = "Make an API token, and the user if there is none of that name. The token is printed once and not kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--name", default="", help="what the token is for, shown in the admin")

    def handle(self, *, username: str, role: str, name: str, **_: Any) -> None:
        try:
            user, is_new = access.ensure_user(username)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        if is_new:
            self.stderr.write(f"Made the user {username}; without a password, so it can only use the API.")
        _token, plain = access.create_token(user, Role(role), name)
        # Alone on standard output, so that a script can keep it: TOKEN=$(manage.py create_api_token …)
        self.stdout.write(plain)
