"""`manage.py draw_states`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from campaigns.management.commands.draw_states import PAGE, diagrams, drawn
from campaigns.states import ATTEMPT_STEPS, CAMPAIGN_STEPS, CONTACT_STEPS

EMPTY = "".join(f"# {name}\n<!-- begin {name} -->\n<!-- end {name} -->\ntext\n" for name in diagrams())


@pytest.fixture
def page(settings, tmp_path: Path) -> Path:
    settings.BASE_DIR = tmp_path
    path = tmp_path / PAGE
    path.parent.mkdir(parents=True)
    path.write_text(EMPTY)
    return path


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("draw_states", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_page_in_the_repository_is_fresh():
    assert run("--check") == f"{PAGE} is fresh.\n"


def test_a_stale_page_is_found_and_left_alone(page: Path):
    with pytest.raises(SystemExit) as stopped:
        run("--check")
    assert (stopped.value.code, page.read_text()) == (1, EMPTY)


def test_a_stale_page_is_drawn_and_then_fresh(page: Path):
    assert (run(), run("--check")) == (f"Drew {PAGE}.\n", f"{PAGE} is fresh.\n")
    assert page.read_text().count("```mermaid") == 3
    assert page.read_text().count("text\n") == 3


def test_a_page_without_markers_is_refused(page: Path):
    page.write_text("# States")
    with pytest.raises(CommandError, match="no markers"):
        run()


def test_every_step_of_every_table_is_drawn():
    arrows = {
        name: {line.strip() for line in picture.splitlines() if "-->" in line and "[*]" not in line}
        for name, picture in diagrams().items()
    }
    assert arrows == {
        "attempt": {f"{old} --> {new}" for old, news in ATTEMPT_STEPS.items() for new in news},
        "campaign": {
            f"{old} --> {new}: {action}" for old, steps in CAMPAIGN_STEPS.items() for action, new in steps.items()
        },
        "contact": {f"{old} --> {new}" for old, news in CONTACT_STEPS.items() for new in news},
    }


def test_drawing_twice_changes_nothing():
    assert drawn(drawn(EMPTY)) == drawn(EMPTY)
