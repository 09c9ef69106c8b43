"""The sample list: enough people, enough behaviours, and the wrong rows it promises."""

from __future__ import annotations

import csv
import io
import re

import phonenumbers
import pytest

from telephony.simulator.behaviour_table import behaviour_for
from telephony.simulator.sample import CAST, COLUMNS, sample_csv, sample_customers


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everybody_in_the_cast_is_there_with_a_number_of_their_own(seed: int) -> None:
    customers = sample_customers(seed)
    met = [behaviour_for(customer.phone_number).name for customer in customers]
    assert {name: met.count(name) for name in set(met)} == dict(CAST)
    assert len({customer.phone_number for customer in customers}) == len(customers) >= 40
    assert len(CAST) >= 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_numbers_are_vietnamese_mobiles_however_written(seed: int) -> None:
    for customer in sample_customers(seed):
        parsed = phonenumbers.parse(customer.written, "VN")
        assert phonenumbers.is_valid_number(parsed), customer
        assert (
            phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == f"+84{customer.phone_number[1:]}"
        )


def test_the_list_has_four_wrong_rows_and_several_ways_of_writing() -> None:
    header, *rows = csv.reader(io.StringIO(sample_csv(1)))
    assert tuple(header) == COLUMNS
    good = sample_customers(1)
    assert len(rows) == len(good) + 4
    shapes = {re.sub(r"\d+", "9", customer.written) for customer in good}
    assert shapes == {"9", "9 9 9", "9.9.9", "9-9-9", "+9", "+9 9 9 9"}


def test_the_same_seed_gives_the_same_list() -> None:
    assert sample_csv(7) == sample_csv(7) != sample_csv(8)
