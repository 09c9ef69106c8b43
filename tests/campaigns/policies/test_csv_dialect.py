"""How a file is written: told from its bytes, or refused."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import ImportRefused
from campaigns.policies.csv_dialect import (
    CsvDialect,
    bom_of,
    clean_cell,
    escape_cell,
    escape_row,
    legacy_encoding,
    read_dialect,
    refuse_binary,
)
from campaigns.policies.import_rows import is_phone_column


def dialect_of(head: bytes, *, is_whole: bool = True) -> CsvDialect:
    return read_dialect(head, encoding="utf-8", is_whole=is_whole, is_phone_column=is_phone_column)


@pytest.mark.parametrize(
    ("head", "delimiter", "header"),
    [
        (b"phone,name\n1,a\n", ",", ("phone", "name")),
        (b"phone;name\n1;a\n", ";", ("phone", "name")),
        (b"phone\tname\n1\ta\n", "\t", ("phone", "name")),
        (b"phone|name\n1|a\n", "|", ("phone", "name")),
        (b"phone\n1\n", ",", ("phone",)),
        (b'"name, full";phone\na;1\n', ";", ("name, full", "phone")),
        (b"phone;last, first, middle\n1;a\n", ";", ("phone", "last, first, middle")),
        (b"\n\nphone,name\n1,a\n", ",", ("phone", "name")),
        (b"sep=;\nphone;a,b,c\n1;2\n", ";", ("phone", "a,b,c")),
        (b"sep=\t\nphone\tname\n1\t2\n", "\t", ("phone", "name")),
        (b'"sep=|"\nphone|name\n1|2\n', "|", ("phone", "name")),
    ],
)
def test_read_dialect_finds_delimiter_and_header(head, delimiter, header):
    assert (dialect_of(head).delimiter, dialect_of(head).header) == (delimiter, header)


def test_read_dialect_points_at_the_first_row():
    head = b"sep=;\nphone;name\n0912345678;An\n"
    assert head[dialect_of(head).data_offset :] == b"0912345678;An\n"


@pytest.mark.parametrize(
    ("head", "is_whole", "code"),
    [
        (b"phone,name\n", True, "empty_file"),
        (b"phone,name", True, "empty_file"),
        (b"phone,name\n\n \n", True, "empty_file"),
        (b"sep=,\n\n", True, "empty_file"),
        (b'"phone,name\n1,a\n', True, "bad_header"),
        (b"x" * 70_000 + b"\n1\n", True, "row_too_long"),
        (b"x" * 1000, False, "row_too_long"),
    ],
)
def test_read_dialect_refuses(head, is_whole, code):
    with pytest.raises(ImportRefused) as refused:
        dialect_of(head, is_whole=is_whole)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"", "empty_file"),
        (b" \r\n\t\n", "empty_file"),
        (b"\xef\xbb\xbf", "empty_file"),
        (b"PK\x03\x04rest", "not_csv"),
        (b"%PDF-1.7", "not_csv"),
        (b"MZ\x90\x00\x03", "not_csv"),
        (b"\x89PNG\r\n", "not_csv"),
        (b"\xd0\xcf\x11\xe0\xa1", "not_csv"),
    ],
)
def test_refuse_binary_names_the_kind(head, code):
    with pytest.raises(ImportRefused) as refused:
        refuse_binary(head)
    assert refused.value.code == code


def test_refuse_binary_lets_text_pass():
    refuse_binary(b"MZone,phone\n1,0912345678\n")


def test_bom_of_tells_the_encoding():
    heads = (b"\xef\xbb\xbfphone", b"\xff\xfep\0", b"\xfe\xff\0p", b"phone")
    assert [bom_of(head) for head in heads] == [
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Nguyê\u0303n Văn An, Đà Nă\u0303ng", "cp1258"),
        ("Pha\u0323m Thi\u0323 Hu\u0300ng", "cp1258"),
        ("José Muñoz, Besançon, Köln", "cp1252"),
        ("François Lefèvre – 12 €", "cp1252"),
        ("Zoë", "cp1252"),
    ],
)
def test_legacy_encoding_is_told_when_clear(text, encoding):
    sample = text.encode(encoding)
    start = next(at for at, byte in enumerate(sample) if byte > 0x7F)
    assert legacy_encoding(sample[start - 1 :], offset=start) == encoding


@pytest.mark.parametrize(
    "sample",
    [
        b"\xe3\x81\x82\xff",
        b"\xf0\xfd\xf5",  # Vietnamese đươ or Western ðýõ
        b"\x81\x8d\x8f",
        bytes(range(0x80, 0x100)),
    ],
)
def test_legacy_encoding_refuses_to_guess(sample):
    with pytest.raises(ImportRefused, match="offset 17") as refused:
        legacy_encoding(sample, offset=17)
    assert refused.value.code == "bad_encoding"


@pytest.mark.parametrize(
    ("cell", "clean"),
    [
        ("  An\u00a0", "An"),
        ("'+84912345678", "+84912345678"),
        ("'=1+1", "=1+1"),
        ("'tis", "'tis"),
        ("e\u0301", "é"),
        ("", ""),
    ],
)
def test_clean_cell(cell, clean):
    assert clean_cell(cell) == clean


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])).map(str.strip).filter(lambda t: not t.startswith("'")))
def test_escaped_cells_come_back_as_they_were(text):
    assert clean_cell(escape_cell(text)) == clean_cell(text)


@given(st.text())
def test_no_escaped_cell_starts_a_formula(text):
    assert not escape_cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\0"))


def test_escape_row_survives_a_csv_round_trip():
    row: list[object] = [3, "=HYPERLINK(1)", "+84912345678", "-1", "@x", "plain, text", 'say "hi"']
    out = io.StringIO()
    csv.writer(out).writerow(escape_row(row))
    cells = next(csv.reader([out.getvalue()]))
    assert cells[:5] == ["3", "'=HYPERLINK(1)", "'+84912345678", "'-1", "'@x"]
    assert [clean_cell(cell) for cell in cells] == [str(cell) for cell in row]
