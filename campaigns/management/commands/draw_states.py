"""`manage.py draw_states [--check]`: draws the state tables as Mermaid diagrams in docs/reference/states.md."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from campaigns.enums import AttemptState, CampaignState, ContactState
from campaigns.states import ATTEMPT_STEPS, CAMPAIGN_STEPS, CONTACT_STEPS, FINAL_CONTACT_STATES

PAGE = Path("docs/reference/states.md")


def _steps(table: Mapping[Any, Iterable[Any]], order: type[Any]) -> Iterator[str]:
    # Sets have no order of their own; the enum's keeps the picture the same from run to run.
    for old in order:
        yield from (f"    {old} --> {new}" for new in order if new in table[old])


def _diagram(first: str, lines: Iterable[str], final: Iterable[str]) -> str:
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            f"    [*] --> {first}",
            *lines,
            *(f"    {state} --> [*]" for state in final),
            "```",
        ]
    )


def diagrams() -> dict[str, str]:
    """One Mermaid diagram a machine, by the name that stands in the page's markers."""
    return {
        "attempt": _diagram(
            AttemptState.CLAIMED, _steps(ATTEMPT_STEPS, AttemptState), [s for s in AttemptState if not ATTEMPT_STEPS[s]]
        ),
        "campaign": _diagram(
            CampaignState.DRAFT,
            (f"    {old} --> {new}: {action}" for old in CampaignState for action, new in CAMPAIGN_STEPS[old].items()),
            [s for s in CampaignState if not CAMPAIGN_STEPS[s]],
        ),
        "contact": _diagram(
            ContactState.PENDING,
            _steps(CONTACT_STEPS, ContactState),
            [s for s in ContactState if s in FINAL_CONTACT_STATES or not CONTACT_STEPS[s]],
        ),
    }


def drawn(page: str) -> str:
    """The page with every diagram between its markers replaced.

    Raises:
        ValueError: the page lacks a marker.
    """
    for name, diagram in diagrams().items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        head, has_begin, rest = page.partition(begin)
        _, has_end, tail = rest.partition(end)
        if not has_begin or not has_end:
            raise ValueError(f"The page has no markers {begin} and {end}.")
        page = f"{head}{begin}\n{diagram}\n{end}{tail}"
    return page


class Command(BaseCommand):
    help = f"Draw the state machines of campaigns/states.py in {PAGE}."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is stale")

    def handle(self, *, check: bool, **_: Any) -> None:
        path = Path(settings.BASE_DIR) / PAGE
        try:
            old = path.read_text(encoding="utf-8")
            new = drawn(old)
        except (OSError, ValueError) as error:
            raise CommandError(f"{PAGE} cannot be drawn: {error}") from error
        if old == new:
            self.stdout.write(f"{PAGE} is fresh.")
        elif check:
            self.stderr.write(f"{PAGE} is stale: run `manage.py draw_states` and commit the page.")
            sys.exit(1)
        else:
            path.write_text(new, encoding="utf-8")
            self.stdout.write(f"Drew {PAGE}.")
