"""The database in memory that a rehearsal plays in."""

from __future__ import annotations

import threading

import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import BooleanField

from campaigns.models import Campaign, Trunk
from campaigns.queries.prepared import Given, Prepared
from campaigns.services.rehearsal.scratch import scratch_database
from tests.factories import make_campaign, make_trunk

pytestmark = pytest.mark.django_db


def test_it_is_empty_and_nothing_written_in_it_stays() -> None:
    campaign = make_campaign()
    with scratch_database():
        assert not Campaign.objects.exists()
        make_trunk("Scratch")
    assert list(Campaign.objects.all()) == [campaign]
    assert not Trunk.objects.filter(name="Scratch").exists()


def test_the_real_one_comes_back_whatever_happens() -> None:
    real = connections[DEFAULT_DB_ALIAS]
    with pytest.raises(ZeroDivisionError), scratch_database():
        raise ZeroDivisionError
    assert connections[DEFAULT_DB_ALIAS] is real


def test_other_threads_keep_theirs() -> None:
    names: list[str] = []

    def look() -> None:
        names.append(str(connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]))

    real_name = str(connections[DEFAULT_DB_ALIAS].settings_dict["NAME"])
    with scratch_database():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert connections[DEFAULT_DB_ALIAS].vendor == "sqlite"
    assert names == [real_name]


def test_a_statement_written_before_asks_the_database_that_is_there_now() -> None:
    """Else a rehearsal would read, and lock, the real rows."""
    names = Prepared(lambda: Trunk.objects.filter(is_enabled=Given("is_enabled", BooleanField())).values_list("name"))
    make_trunk("Real")
    assert names.ask(is_enabled=True) == [("Real",)]
    for name in ("Scratch", "Another"):
        with scratch_database():
            assert names.ask(is_enabled=True) == []
            make_trunk(name)
            assert names.ask(is_enabled=True) == [(name,)]
    assert names.ask(is_enabled=True) == [("Real",)]


def test_what_must_not_be_nested_is_not() -> None:
    """The services open transactions that must be the outermost; those of the real database do not count."""
    with transaction.atomic(), scratch_database(), transaction.atomic(durable=True):
        make_trunk("Scratch")
