"""`manage.py import_dnc_list FILE --list NAME`: put a do-not-call list into force, in place of its last version."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from campaigns.enums import DncVersionState
from campaigns.errors import ImportRefused
from campaigns.models import DncList
from campaigns.services.dnc_lists import load_block, receive_version


class Command(BaseCommand):
    help = "Import a do-not-call list, one number a line; it takes the place of the list's last version as a whole."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="one number a line, or in the first column")
        parser.add_argument("--list", required=True, metavar="NAME", help="the list, which is created when missing")
        parser.add_argument("--as-of", metavar="TIME", help="when its keeper made it, ISO 8601 with a zone (now)")
        parser.add_argument("--region", metavar="XX", help="region of numbers without a country code, of a new list")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        as_of = _moment(options["as_of"]) if options["as_of"] else now
        region = (options["region"] or "").upper()
        target, _is_new = DncList.objects.get_or_create(name=options["list"], defaults={"region": region})
        try:
            with options["file"].open("rb") as file:
                version = receive_version(
                    target.pk, file=file, file_name=options["file"].name, as_of=as_of, user=None, now=now
                )
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error.strerror}.") from error
        except ImportRefused as refusal:
            raise CommandError(refusal.detail) from refusal
        while load_block(version.pk, now=timezone.now()):
            pass
        version.refresh_from_db()
        if version.state != DncVersionState.CURRENT:
            raise CommandError(version.error)
        self.stdout.write(f"{version.numbers:,} numbers are in force; {version.rejected:,} lines were no number.")


def _moment(text: str) -> Any:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError("--as-of must be a date and time with a zone, for example 2027-01-31T00:00:00+07:00.")
    return moment
