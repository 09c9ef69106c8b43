"""`manage.py prepare`: tables, groups, the first user, the default trunk."""

from typing import Any

from django.core.management.base import BaseCommand

from config.first_start import prepare_database


class Command(BaseCommand):
    help = "Migrate and make what a first start needs; safe to repeat."

    def handle(self, *_: Any, **__: Any) -> None:
        prepare_database()
        self.stdout.write("database ready")
