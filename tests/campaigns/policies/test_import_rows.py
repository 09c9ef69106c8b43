"""What columns mean, and which rows are customers."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import ImportRefused
from campaigns.policies.import_rows import (
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    CustomerRow,
    RowProblem,
    RowReader,
    attribute_name,
    is_phone_column,
    read_columns,
)

HEADER = ["Phone", "Họ tên", "Time zone", "Gói cước", "due_date"]


def reader(header=HEADER, **kwargs) -> RowReader:
    return RowReader(read_columns(header, **kwargs), default_region="VN")


@pytest.mark.parametrize(
    "name",
    [
        "phone",
        "Phone Number",
        "PHONE_NUMBER",
        "mobile",
        "Tel.",
        "SĐT",
        "sdt",
        "Số điện thoại",
        "so dien thoai",
        "Di động",
    ],
)
def test_phone_columns_are_recognised(name):
    assert is_phone_column(name)


def test_columns_are_told_by_name():
    columns = read_columns(HEADER)
    assert (columns.phone, columns.name, columns.timezone) == (0, 1, 2)
    assert columns.attributes == ((3, "Goi_cuoc"), (4, "due_date"))


def test_a_second_phone_column_is_an_attribute():
    columns = read_columns(["mobile", "phone_number", "name"])
    assert (columns.phone, columns.attributes) == (1, ((0, "mobile"),))


def test_the_mapping_comes_first():
    mapping = {"Contact": "phone_number", "phone": "", "Gói": "plan"}
    columns = read_columns(["Contact", "phone", "Gói", "Full name"], mapping)
    assert (columns.phone, columns.name, columns.attributes) == (0, 3, ((2, "plan"),))


@pytest.mark.parametrize(
    ("header", "mapping", "code"),
    [
        (["name", "city"], None, "no_phone_column"),
        (["phone", "city", "city"], None, "duplicate_header"),
        (["phone", "a b", "a-b"], None, "duplicate_header"),
        (["phone", ""], None, "empty_header"),
        (["phone", "  "], None, "empty_header"),
        (["phone", *(f"c{n}" for n in range(5000))], None, "too_many_columns"),
        (["phone"], {"mobile": "phone_number"}, "bad_mapping"),
        (["phone", "x"], {"x": "two words"}, "bad_mapping"),
        (["a", "b"], {"a": "phone_number", "b": "phone_number"}, "bad_mapping"),
        (["phone"], {"phone": ""}, "no_phone_column"),
    ],
)
def test_headers_that_cannot_be_read_are_refused(header, mapping, code):
    with pytest.raises(ImportRefused) as refused:
        read_columns(header, mapping)
    assert refused.value.code == code


def test_as_many_columns_as_allowed_are_read():
    columns = read_columns(["phone", *(f"c{n}" for n in range(MAX_COLUMNS - 1))])
    assert len(columns.attributes) == MAX_COLUMNS - 1


@given(st.text(min_size=1), st.integers(0, MAX_COLUMNS))
def test_attribute_names_always_fit_templates(header, position):
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", attribute_name(header, position))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("due_date", "due_date"),
        ("Plan", "Plan"),
        ("Địa chỉ", "Dia_chi"),
        ("2024 total", "column_2024_total"),
        ("名前", "column_3"),
        ("a--b", "a_b"),
    ],
)
def test_attribute_name(header, name):
    assert attribute_name(header, 2) == name


def test_a_good_row_becomes_a_customer():
    row = reader().read(["0912 345 678", " Trần Văn An ", "Asia/Ho_Chi_Minh", "Vàng", "'=1+1"])
    assert isinstance(row, CustomerRow)
    assert (row.phone_number, row.name, row.timezone) == ("+84912345678", "Trần Văn An", "Asia/Ho_Chi_Minh")
    assert json.loads(row.attributes) == {"Goi_cuoc": "Vàng", "due_date": "=1+1"}
    assert not row.was_repaired


def test_a_number_that_lost_its_zero_is_repaired():
    row = reader(["phone"]).read(["912345678"])
    assert isinstance(row, CustomerRow)
    assert (row.phone_number, row.was_repaired) == ("+84912345678", True)


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        (["0912345678", "An"], "", "column_count"),
        (["0912345678", "An", "", "", "", "more"], "", "column_count"),
        (["0912345678", "x" * 201, "", "", ""], "Họ tên", "too_long"),
        (["0912345678", "An", "Mars/Base", "", ""], "Time zone", "bad_timezone"),
        (["0912345678", "An", "", "x" * (MAX_CELL_CHARS + 1), ""], "Gói cước", "too_long"),
        (["0912345678", "A\x07n", "", "", ""], "Họ tên", "bad_text"),
    ],
)
def test_bad_rows_say_where_and_why(cells, column, code):
    problem = reader().read(cells)
    assert isinstance(problem, RowProblem)
    assert (problem.column, problem.code) == (column, code)


@pytest.mark.parametrize("text", ["", "abc", "12", "8.4912E+10", "0912345678 / 0912345679"])
def test_bad_numbers_are_the_phone_columns_problem(text):
    problem = reader().read([text, "An", "", "", ""])
    assert isinstance(problem, RowProblem)
    assert problem.column == "Phone"
    assert problem.reason


@pytest.mark.parametrize("cells", [[], ["", "", "", "", ""], [" ", "\u00a0", "", "", ""], ["", ""]])
def test_blank_rows_are_no_rows(cells):
    assert reader().read(cells) is None


@given(st.lists(st.text(max_size=20), max_size=7))
def test_reading_never_raises(cells):
    row = reader().read(cells)
    assert row is None or isinstance(row, CustomerRow | RowProblem)


@pytest.mark.parametrize(
    ("number", "countries", "code"),
    [
        ("0912345678", ["VN"], ""),
        ("+6591234567", ["VN"], "country_not_allowed"),
        ("+6591234567", ["SG", "VN"], ""),
        ("+6591234567", None, ""),
        ("0912345678", [], "country_not_allowed"),
    ],
)
def test_a_number_of_another_country_is_refused(number, countries, code) -> None:
    read = RowReader(read_columns(["phone"]), default_region="VN", countries=countries).read([number])
    assert (read.code if isinstance(read, RowProblem) else "") == code
