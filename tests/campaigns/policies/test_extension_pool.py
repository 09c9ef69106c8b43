"""Extensions: how they are written, which is next, and why none is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import App
from campaigns.policies.extension_pool import (
    EXTENSIONS_MAX,
    ExtensionUse,
    free_extensions,
    lines_of,
    none_free,
    read_extensions,
)
from tests.factories import NOW

POOL = ["101", "102", "103"]


def test_extensions_keep_their_order_and_are_named_once():
    assert read_extensions(["103", "101", "103"]) == ["103", "101"]
    assert read_extensions([]) == []


@pytest.mark.parametrize("value", ["101", None, [101], ["1"], ["1234567"], ["10a"], ["101\n"], ["１０１"], [""]])
def test_what_is_no_list_of_extensions_is_refused(value):
    with pytest.raises(ValueError, match=r"2 to 6 digits|Write a list"):
        read_extensions(value)


def test_a_pool_has_a_limit():
    with pytest.raises(ValueError, match="at most 100"):
        read_extensions([f"{number:04}" for number in range(EXTENSIONS_MAX + 1)])


def test_the_longest_idle_comes_first_and_who_talks_not_at_all():
    freed_at = {"101": NOW, "103": NOW - timedelta(minutes=5), "999": NOW}
    assert free_extensions(POOL, ExtensionUse(frozenset(), freed_at)) == ["102", "103", "101"]
    assert free_extensions(POOL, ExtensionUse(frozenset({"102", "999"}), freed_at)) == ["103", "101"]
    assert free_extensions(POOL, ExtensionUse()) == POOL


@pytest.mark.parametrize(
    ("pool", "busy", "said"),
    [
        (POOL, {"101", "102", "103"}, "All 3 extensions are talking; the next is free when a call ends."),
        (["101"], {"101"}, "Extension 101 is talking; it is free when its call ends."),
        ([], set(), "The campaign names no extension."),
        (POOL, {"101", "102"}, ""),
    ],
)
def test_why_none_is_free(pool, busy, said):
    assert none_free(pool, ExtensionUse(frozenset(busy))) == said


@pytest.mark.parametrize(("app", "most", "lines"), [(App.DIAL, 5, 3), (App.DIAL, 2, 2), (App.BOT, 5, 5)])
def test_with_dial_there_are_no_more_lines_than_extensions(app, most, lines):
    assert lines_of(app, most, POOL) == lines
