"""Pages that name what there is in the code."""

from __future__ import annotations

import re
from typing import Any

from django.urls import resolve

from campaigns.enums import Outcome
from tests.docs.pages import REPOSITORY, code, page, rows

ROOMS = ("config", "telephony", "campaigns", "bridge")


def test_the_commands_page_names_every_command():
    there_are = {
        path.stem
        for room in ROOMS
        for path in (REPOSITORY / room / "management/commands").glob("*.py")
        if path.stem != "__init__"
    }
    _, _, manage = page("reference/commands.md").partition("## manage.py")
    assert {code(row[0]).split()[0] for row in rows(manage)} == there_are


def test_the_commands_page_names_make_targets_there_are():
    make, _, _ = page("reference/commands.md").partition("## manage.py")
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {code(row[0]).removeprefix("make ") for row in rows(make)}
    assert named - targets == set()
    assert {"run", "serve", "test", "check", "bench"} <= named


def test_the_glossary_names_the_outcomes_there_are_and_is_in_order():
    entries = re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", page("reference/glossary.md"), re.MULTILINE)
    words = [word for word, _ in entries]
    assert words == sorted(words, key=str.casefold)
    outcomes = dict(entries)["outcome"].partition(": ")[2].split(", ")
    assert outcomes == list(Outcome.values)


def test_links_between_pages_lead_somewhere():
    dead = [
        f"{path.relative_to(REPOSITORY)} → {target}"
        for path in sorted((REPOSITORY / "docs").rglob("*.md"))
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert dead == []


def test_the_how_to_calls_routes_there_are():
    calls = re.findall(r"^api (?:-X (\w+) )?\"?\$API(/[^\s\"?]*)", page("how-to/use-the-api.md"), re.MULTILINE)
    wrong = []
    for method, path in calls:
        filled = path.replace("$CALL", "00000000-0000-4000-8000-000000000000")
        view: Any = resolve(f"/api/v1{filled}").func
        if (method or "GET").lower() not in getattr(view, "actions", {}):
            wrong.append(f"{method or 'GET'} {path}")
    assert (wrong, len(calls)) == ([], 21)
