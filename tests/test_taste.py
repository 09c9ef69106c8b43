"""The house rules that a linter has no rule for (docs/topics/house-style.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("config", "telephony", "campaigns", "bridge")
MODULE_LINES = 400
FUNCTION_LINES = 60
CLASS_METHODS = 20
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "managers", "misc"}
LOOSE_TASKS = re.compile(r"\basyncio\.(create_task|gather|ensure_future)\b|\bloop\.create_task\b")
ENVIRONMENT = re.compile(r"\bos\.(environ|getenv)\b")
PUBLISH = re.compile(r"\.(delay|apply_async|send_task|delay_on_commit)\(")
# Django's async methods leave their thread's connection open: on PostgreSQL the test database cannot be dropped then.
ASYNC_ORM = re.compile(
    r"await .*\.a(?:aggregate|bulk_create|count|create|delete|exists|first|get|get_or_create|in_bulk|last|save"
    r"|refresh_from_db|update|update_or_create)\("
)
BROAD = re.compile(r"^\s*except( Exception| BaseException)?( as \w+)?:")


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def lines_matching(pattern: re.Pattern[str], *rooms: str) -> list[str]:
    return [
        f"{named(path)}:{number}"
        for path in sources(*rooms)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def test_modules_are_small() -> None:
    assert {
        named(path): length for path in sources(*ROOMS) if (length := len(path.read_text().splitlines())) > MODULE_LINES
    } == {}


def test_functions_and_classes_are_small() -> None:
    found = {}
    for path in sources(*ROOMS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    found[f"{named(path)}:{node.name}"] = length
            elif isinstance(node, ast.ClassDef):
                methods = sum(isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in node.body)
                if methods > CLASS_METHODS:
                    found[f"{named(path)}:{node.name}"] = methods
    assert found == {}


def test_no_module_is_a_drawer() -> None:
    assert [named(path) for path in sources(*ROOMS) if path.stem in FORBIDDEN_NAMES] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        named(path)
        for path in sources(*ROOMS)
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_async_code_reaches_the_database_through_threads_that_let_go_of_it() -> None:
    assert lines_matching(ASYNC_ORM, *ROOMS, "tests") == []


def test_async_work_belongs_to_a_task_group() -> None:
    assert lines_matching(LOOSE_TASKS, "telephony", "campaigns", "bridge") == []


def test_the_environment_is_read_in_config_only() -> None:
    assert lines_matching(ENVIRONMENT, "telephony", "campaigns", "bridge") == []


def test_services_and_queries_never_publish() -> None:
    assert (
        lines_matching(PUBLISH, "campaigns/services", "campaigns/queries", "campaigns/policies", "campaigns/models")
        == []
    )


def test_counters_of_rows_are_added_to_by_the_database_or_under_the_rows_lock() -> None:
    """`row.field += n` loses what another process adds meanwhile: `F("field") + n`, or the row is locked."""
    locked = {
        "campaigns/services/contacts.py": ["contact.attempts_made"],
        "campaigns/services/dnc_lists.py": ["version.numbers", "version.rejected"],
    }
    found = {
        named(path): added
        for path in sources("campaigns/services", "campaigns/tasks", "campaigns/api", "campaigns/admin")
        if (
            added := [
                ast.unparse(node.target)
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.AugAssign)
                and isinstance(node.target, ast.Attribute)
                and ast.unparse(node.target.value) != "self"
            ]
        )
    }
    assert found == locked


def test_broad_handlers_give_their_reason() -> None:
    silent = [
        place
        for place in lines_matching(BROAD, *ROOMS)
        if "#" not in (REPOSITORY / place.split(":")[0]).read_text().splitlines()[int(place.split(":")[1]) - 1]
    ]
    assert silent == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX", "NotImplementedError"])
def test_nothing_is_left_half_done(word: str) -> None:
    assert lines_matching(re.compile(rf"\b{word}\b"), *ROOMS) == []
