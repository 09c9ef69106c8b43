"""docs/reference/settings.md and .env.example name what config/settings.py reads."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from tests.docs.pages import REPOSITORY, code, page, rows

READERS = {"str", "int", "float", "bool", "list"}


def read_by_settings() -> dict[str, Any]:
    """Each name config/settings.py reads, with its default where that is a plain constant, else None."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse((REPOSITORY / "config/settings.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "env" and node.func.attr in READERS:
            name, *positional = node.args
        elif isinstance(node.func, ast.Name) and node.func.id == "read_secret":
            name, positional = node.args[1], []
        else:
            continue
        assert isinstance(name, ast.Constant)
        defaults = [*positional, *(keyword.value for keyword in node.keywords if keyword.arg == "default")]
        constant = defaults[0] if defaults and isinstance(defaults[0], ast.Constant) else None
        found[str(name.value)] = constant.value if constant else None
    return found


def on_the_page() -> dict[str, str]:
    return {code(row[0]): code(row[1]) for row in rows(page("reference/settings.md"))}


def test_every_setting_is_on_the_page_and_no_other():
    assert sorted(on_the_page()) == sorted(read_by_settings())


@pytest.mark.parametrize(("name", "default"), [(n, d) for n, d in read_by_settings().items() if d is not None])
def test_the_page_tells_the_default(name: str, default: Any):
    assert on_the_page()[name] == str(default)


def test_the_example_names_settings_there_are():
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {line.removeprefix("#").partition("=")[0] for line in lines if "=" in line and not line.startswith("# ")}
    assert named - read_by_settings().keys() == set()
    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "PSR_BASE_URL", "PSR_TOKEN", "PUBLIC_WS_URL"} <= named


def test_the_example_holds_no_secret():
    secrets = [
        line for line in (REPOSITORY / ".env.example").read_text().splitlines() if "SECRET" in line or "TOKEN" in line
    ]
    assert [line for line in secrets if not line.startswith("# ") and not line.endswith("=")] == []
