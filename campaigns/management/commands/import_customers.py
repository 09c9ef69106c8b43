"""`manage.py import_customers FILE --list NAME`: the admin's import from a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns.enums import ImportState
from campaigns.errors import ImportRefused
from campaigns.models import CustomerList, ImportJob
from campaigns.queries.imports import import_progress
from campaigns.services.imports import create_import, run_import

BAR_CHARS = 30


class Command(BaseCommand):
    help = "Import a CSV of customers into a list, which is created when it does not exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the CSV; its first row names the columns")
        parser.add_argument("--list", required=True, metavar="NAME", help="the customer list to fill")
        parser.add_argument("--region", metavar="XX", help="region of numbers without a country code (DEFAULT_REGION)")

    def handle(self, *_: Any, **options: Any) -> None:
        target, is_new = CustomerList.objects.get_or_create(name=options["list"])
        try:
            with options["file"].open("rb") as file:
                job = create_import(
                    list_id=target.pk,
                    file=file,
                    file_name=options["file"].name,
                    user=None,
                    now=timezone.now(),
                    default_region=options["region"],
                )
        except (ImportRefused, OSError) as error:
            if is_new:
                target.delete()
            raise CommandError(str(error)) from error
        job = run_import(job.pk, clock=timezone.now, on_progress=self._show if sys.stderr.isatty() else None)
        if sys.stderr.isatty():
            self.stderr.write("")
        if job.state == ImportState.FAILED:
            if is_new:
                target.delete()
            raise CommandError(job.error)
        self._report(job)

    def _show(self, job: ImportJob) -> None:
        done = import_progress(job).progress
        filled = round(done * BAR_CHARS)
        bar = "█" * filled + "░" * (BAR_CHARS - filled)
        self.stderr.write(f"\r{bar} {done:4.0%}  {job.rows_accepted:,} accepted", ending="")
        self.stderr.flush()

    def _report(self, job: ImportJob) -> None:
        self.stdout.write(
            f"{job.rows_total or 0:,} rows: {job.rows_accepted:,} accepted, {job.rows_duplicate:,} duplicate, "
            f"{job.rows_rejected:,} rejected ({job.rows_repaired:,} numbers repaired)."
        )
        for reject in job.rejects.order_by("row_number")[:10]:
            column = f" {reject.column}:" if reject.column else ""
            self.stdout.write(f"  row {reject.row_number}:{column} {reject.reason}")
        if job.rows_rejected > 10:
            self.stdout.write(f"  … and {job.rows_rejected - 10:,} more; the import's page has them all as a CSV.")
