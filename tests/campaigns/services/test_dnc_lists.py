"""Imported do-not-call lists: whole or not at all."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from campaigns.enums import DncVersionState
from campaigns.errors import ImportRefused
from campaigns.models import DncList, DncNumber, DncVersion
from campaigns.queries.calling_rules import LOAD_STALE, is_suppressed, loading_dnc_versions
from campaigns.services import dnc_lists
from campaigns.services.dnc_lists import drop_unused, load_block, receive_version
from campaigns.tasks.dnc_lists import load_dnc_version, sweep_dnc_lists
from tests.factories import NOW

pytestmark = pytest.mark.django_db

FIRST, SECOND = "+84912345678", "+84912345679"


@pytest.fixture
def register(db) -> DncList:
    return DncList.objects.create(name="National register")


def upload(register: DncList, text: str, *, as_of: datetime = NOW) -> DncVersion:
    file = io.BytesIO(text.encode())
    return receive_version(register.pk, file=file, file_name="../list.txt", as_of=as_of, user=None, now=NOW)


def put_into_force(register: DncList, *numbers: str, as_of: datetime = NOW) -> DncVersion:
    version = upload(register, "\n".join(numbers), as_of=as_of)
    while load_block(version.pk, now=NOW):
        pass
    version.refresh_from_db()
    return version


def held(*numbers: str) -> list[bool]:
    return [is_suppressed(number, NOW) for number in numbers]


def test_a_list_counts_only_when_all_of_it_has_been_read(register, django_capture_on_commit_callbacks) -> None:
    version = upload(register, f"phone\n{FIRST}\n{SECOND}\n{FIRST}\n")
    assert load_block(version.pk, now=NOW, lines=2) is True
    assert held(FIRST, SECOND) == [False, False]
    with django_capture_on_commit_callbacks(execute=True):
        while load_block(version.pk, now=NOW, lines=2):
            pass
    assert held(FIRST, SECOND) == [True, True]
    version.refresh_from_db()
    assert (version.state, version.numbers, version.rejected) == (DncVersionState.CURRENT, 2, 0)
    assert (version.published_at, version.file_name) == (NOW, "list.txt")
    assert list(Path(dnc_lists._directory()).iterdir()) == []


def test_a_new_version_takes_the_old_ones_place_at_once(register) -> None:
    old = put_into_force(register, FIRST)
    new = upload(register, SECOND, as_of=NOW)
    assert load_block(new.pk, now=NOW) is True
    assert held(FIRST, SECOND) == [True, False]
    assert load_block(new.pk, now=NOW) is False
    assert held(FIRST, SECOND) == [False, True]
    old.refresh_from_db()
    assert old.state == DncVersionState.REPLACED
    assert (drop_unused(), drop_unused(), DncNumber.objects.get().phone_number) == (1, 0, SECOND)


def test_an_import_that_dies_half_way_leaves_the_old_list(register, monkeypatch) -> None:
    put_into_force(register, FIRST)
    version = upload(register, f"{SECOND}\n{SECOND[:-1]}0\n")
    assert load_block(version.pk, now=NOW, lines=1) is True

    def die(*_: object) -> None:
        raise DatabaseError("cut off")

    monkeypatch.setattr(dnc_lists, "_publish", die)
    assert load_block(version.pk, now=NOW, lines=1) is True
    with pytest.raises(DatabaseError):
        load_block(version.pk, now=NOW, lines=1)
    assert held(FIRST, SECOND) == [True, False]
    monkeypatch.undo()
    assert (loading_dnc_versions(NOW), loading_dnc_versions(NOW + LOAD_STALE)) == ([], [version.pk])
    # What is sent is done at once; old versions' numbers are gone after it.
    monkeypatch.setattr(load_dnc_version, "delay", load_dnc_version)
    with time_machine.travel(NOW + LOAD_STALE, tick=False):
        sweep_dnc_lists()
    assert held(FIRST, SECOND) == [False, True]
    assert DncNumber.objects.count() == 2


def test_a_long_list_goes_on_in_another_message(register, monkeypatch) -> None:
    version = upload(register, FIRST)
    sent: list[dict[str, int]] = []
    monkeypatch.setattr(load_dnc_version, "delay", lambda **arguments: sent.append(arguments))
    monkeypatch.setattr("campaigns.tasks.dnc_lists.LOAD_BUDGET_S", -1.0)
    load_dnc_version(version_id=version.pk)
    load_dnc_version(version_id=version.pk)
    assert (sent, held(FIRST)) == ([{"version_id": version.pk}], [True])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("name,phone\n", "The file holds no phone number."),
        ("113\n114\n", "The file holds no phone number."),
        (f"{SECOND}\nAn 1\nBinh 2\n", "2 of 3 lines are no phone number."),
    ],
)
def test_a_file_that_is_no_such_list_changes_nothing(register, text, error) -> None:
    put_into_force(register, FIRST)
    version = put_into_force(register, text)
    assert (version.state, version.error) == (DncVersionState.FAILED, f"{error} The list in force stays.")
    assert held(FIRST, SECOND) == [True, False]


def test_an_older_file_replaces_nothing(register) -> None:
    put_into_force(register, FIRST)
    version = put_into_force(register, SECOND, as_of=NOW - timedelta(days=1))
    assert version.error == "The list in force is newer than this file, and stays."
    assert held(FIRST) == [True]


def test_a_lost_file_fails_the_version(register) -> None:
    version = upload(register, FIRST)
    (dnc_lists._directory() / version.path).unlink()
    assert load_block(version.pk, now=NOW) is False
    version.refresh_from_db()
    assert version.error == "The uploaded file is gone. Upload it again."


@pytest.mark.parametrize(
    ("text", "as_of", "code"),
    [("", NOW, "empty_file"), ("x" * 200, NOW, "file_too_large"), (FIRST, NOW + timedelta(seconds=1), "bad_as_of")],
)
def test_an_upload_is_refused_and_leaves_no_file(register, settings, text, as_of, code) -> None:
    settings.IMPORT_MAX_BYTES = 100
    with pytest.raises(ImportRefused) as refused:
        upload(register, text, as_of=as_of)
    assert refused.value.code == code
    assert list(dnc_lists._directory().iterdir()) == []


def test_a_list_that_is_switched_off_holds_nobody(register) -> None:
    put_into_force(register, FIRST)
    DncList.objects.update(is_active=False)
    assert held(FIRST) == [False]


def test_numbers_without_a_country_code_are_of_the_lists_region(register) -> None:
    DncList.objects.update(region="US")
    put_into_force(DncList.objects.get(), "415,5552671")
    assert held("+14155552671") == [True]


def test_the_command_puts_a_list_into_force(tmp_path, capsys) -> None:
    file = tmp_path / "register.csv"
    file.write_text(f"phone\n{FIRST}\n")
    call_command("import_dnc_list", str(file), "--list", "Register", "--as-of", "2026-01-01T00:00:00+07:00")
    assert capsys.readouterr().out == "1 numbers are in force; 0 lines were no number.\n"
    assert held(FIRST) == [True]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere.csv"], "cannot be read"),
        (["list.csv", "--as-of", "yesterday"], "--as-of must be"),
        (["list.csv", "--as-of", "2026-01-01"], "--as-of must be"),
        (["list.csv", "--as-of", "2026-13-01T00:00:00Z"], "--as-of must be"),
        (["list.csv", "--as-of", "2999-01-01T00:00:00Z"], "has not come yet"),
        (["list.csv"], "holds no phone number"),
    ],
)
def test_the_command_says_why_a_file_is_refused(tmp_path, monkeypatch, arguments, text) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("phone\n")
    with pytest.raises(CommandError, match=text):
        call_command("import_dnc_list", *arguments, "--list", "Register")
