"""`manage.py rehearse CAMPAIGN`: how a campaign would go, played in virtual time with nobody at the other end."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from campaigns.models import Campaign
from campaigns.services.rehearsal import RehearsalPlan, RehearsalReport, label_of, rehearse
from campaigns.services.rehearsal.planning import LIMIT

PROGRESS_EVERY_S = 0.5
BAR_CHARS = 30


class Command(BaseCommand):
    help = "Play a campaign against nobody, in virtual time, and say how it would go. Changes nothing, calls nobody."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("campaign", metavar="CAMPAIGN", help="its id, or its name")
        parser.add_argument("--begin", metavar="TIME", help="ISO 8601 with a zone (now, or when it is to start)")
        parser.add_argument("--until", metavar="TIME", help="where to stop, ISO 8601 with a zone (after sixty days)")
        parser.add_argument("--seed", type=int, default=1, help="the same seed and begin give the same report (1)")
        parser.add_argument(
            "--limit", type=int, default=LIMIT, metavar="N", help=f"play at most so many contacts ({LIMIT:,}); 0: all"
        )
        parser.add_argument("--answer-rate", type=float, metavar="SHARE", help="how many answer, from 0 to 1")
        parser.add_argument("--talk", type=float, metavar="SECONDS", help="how long they talk on average")
        parser.add_argument(
            "--share",
            action="append",
            default=[],
            metavar="NAME=WEIGHT",
            help="a behaviour of the simulator's table and how often it comes; repeat it for others",
        )
        parser.add_argument(
            "--as-simulated", action="store_true", help="the last two digits of a number decide, as in the simulator"
        )
        parser.add_argument("--json", action="store_true", help="the report as JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        campaign_id = _campaign_id(options["campaign"])
        try:
            report = rehearse(campaign_id, _plan(options), now=timezone.now(), told=self._teller())
        except ValueError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(report)))

    def _teller(self) -> Any:
        """Progress on a terminal, in one line that is written over."""
        shown_s = 0.0

        def tell(at: datetime, calls: int) -> None:
            nonlocal shown_s
            if self.stderr.isatty() and time.monotonic() - shown_s > PROGRESS_EVERY_S:
                shown_s = time.monotonic()
                self.stderr.write(f"\r{_moment(at)}  {calls:,} calls\033[K", ending="")

        return tell


def _campaign_id(text: str) -> int:
    found = Campaign.objects.filter(pk=int(text)) if text.isdigit() else Campaign.objects.filter(name=text)
    campaign_id = found.values_list("pk", flat=True).first()
    if campaign_id is None:
        raise CommandError(f"There is no campaign {text!r}.")
    return campaign_id


def _plan(options: Mapping[str, Any]) -> RehearsalPlan:
    rate, talk_s, limit = options["answer_rate"], options["talk"], options["limit"]
    if rate is not None and not 0 <= rate <= 1:
        raise CommandError("--answer-rate must lie between 0 and 1.")
    if talk_s is not None and talk_s < 0:
        raise CommandError("--talk cannot be negative.")
    if limit < 0:
        raise CommandError("--limit cannot be negative.")
    return RehearsalPlan(
        begin=_time(options["begin"], "--begin"),
        until=_time(options["until"], "--until"),
        seed=options["seed"],
        limit=limit or None,
        answer_rate=rate,
        talk_s=talk_s,
        shares=dict(_share(text) for text in options["share"]),
        is_by_number=options["as_simulated"],
    )


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"{option} must be a date and time with a zone, for example 2027-01-31T09:00:00+07:00.")
    return moment


def _share(text: str) -> tuple[str, float]:
    name, _, weight = text.partition("=")
    try:
        return name, float(weight)
    except ValueError:
        raise CommandError("--share must be a behaviour and its weight, for example busy=0.2.") from None


def _lines(report: RehearsalReport) -> Iterator[str]:
    sample, assumed = report.sample, report.assumption
    yield f"{report.campaign}, rehearsed from {_moment(report.begin)} (seed {report.seed})"
    yield f"{assumed.answer_rate:.0%} answer and talk for {assumed.talk_s:.0f} s: {assumed.source}"
    if sample.factor != 1:
        how = "their lines as a pace" if sample.is_paced_by_lines else "lines and pace divided likewise"
        yield f"{sample.played:,} of {sample.contacts:,} contacts were played, {how}; counts are of the whole"
    yield from (f"note: {note}" for note in report.notes)
    if report.problems:
        yield "It would not begin:"
        yield from (f"  {problem}" for problem in report.problems)
        return
    yield ""
    ending = f"finished {_moment(report.finish_at)}" if report.finish_at else f"{report.state} at {_moment(report.end)}"
    yield f"{ending}: {report.calls:,} calls, {report.answered:,} answered"
    yield f"at most {report.busiest_lines:,} of {sample.lines_max:,} lines, {report.busiest_second:,} calls a second"
    yield from _table("contacts", report.contacts)
    yield from _table("outcomes", report.outcomes)
    yield from _table("dispositions", report.dispositions)
    yield from _table("tries", report.tries)
    yield from _table("refused before the call", {label_of(code): n for code, n in report.refusals.items()})
    yield from _table("put off to the opening", {label_of(code): n for code, n in report.put_off.items()})
    yield from _table("the time went to", {label_of(code): _length(s) for code, s in report.time_s.items()})
    yield from _stretches(report)
    if report.undone:
        yield "left undone:"
        yield from (f"  {undone.count:>9,}  {undone.label}" for undone in report.undone)
    yield "log:"
    yield from (f"  {line}" for line in report.log)


def _table(title: str, counts: Mapping[str, int | str]) -> Iterator[str]:
    if counts:
        yield f"{title}:"
        yield from (f"  {n if isinstance(n, str) else format(n, ','):>9}  {name}" for name, n in counts.items())


def _stretches(report: RehearsalReport) -> Iterator[str]:
    if not report.stretches:
        return
    most = max(stretch.calls for stretch in report.stretches) or 1
    yield "over time (calls, answered, lines):"
    for stretch in report.stretches:
        bar = "█" * round(BAR_CHARS * stretch.calls / most)
        yield f"  {stretch.begin:%m-%d %H:%M} {stretch.calls:>7,} {stretch.answered:>7,} {stretch.lines:>5,}  {bar}"


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _length(length_s: int | str) -> str:
    minutes, seconds = divmod(int(length_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
