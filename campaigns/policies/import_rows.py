"""What the columns of an uploaded list mean, and whether one row of it is a customer.

A header names a phone number, a name, a time zone, or an attribute. `RowReader.read` turns the cells of one row into a
`CustomerRow`, or says as a `RowProblem` what is wrong with it: bad rows are values, never exceptions.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import orjson

from campaigns.errors import ImportRefused
from campaigns.policies.country_codes import COUNTRY_NOT_ALLOWED, country_refusal
from campaigns.policies.csv_dialect import clean_cell
from telephony.phone_numbers import PhoneNumberError, parse_phone_number

PHONE = "phone_number"
NAME = "name"
TIMEZONE = "timezone"
IGNORED = ""
MAX_COLUMNS = 64
MAX_CELL_CHARS = 4096
MAX_NAME_CHARS = 200
MAX_ATTRIBUTE_NAME_CHARS = 40

# Compared without case, accents, spaces and punctuation. Earlier names win where a file has several.
RECOGNISED: Mapping[str, tuple[str, ...]] = {
    PHONE: (
        "phonenumber",
        "phone",
        "mobile",
        "mobilephone",
        "mobilenumber",
        "sodienthoai",
        "sdt",
        "sodt",
        "dienthoai",
        "didong",
        "telephone",
        "tel",
        "cellphone",
        "cell",
        "msisdn",
        "contactnumber",
    ),
    NAME: ("name", "fullname", "customername", "hoten", "hovaten", "tenkhachhang", "ten", "contactname"),
    TIMEZONE: ("timezone", "tz", "muigio"),
}
_RECOGNISED_BY_KEY = {key: (field, rank) for field, keys in RECOGNISED.items() for rank, key in enumerate(keys)}
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_]+")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a file is, by position."""

    header: tuple[str, ...]
    phone: int
    name: int | None
    timezone: int | None
    attributes: tuple[tuple[int, str], ...]

    @property
    def attribute_names(self) -> list[str]:
        """The attributes every row brings, in file order."""
        return [name for _, name in self.attributes]


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """One good row. `attributes` is a JSON object of strings; empty `name` and `timezone` say nothing."""

    phone_number: str
    name: str
    timezone: str
    attributes: str
    was_repaired: bool


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why one row is not a customer; `column` is the header's own name, or empty for the row as a whole."""

    column: str
    code: str
    reason: str


def _plain(text: str) -> str:
    """A header in ASCII: accents dropped, đ written d."""
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).encode("ascii", "ignore").decode()


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _plain(text).lower())


def is_phone_column(header: str) -> bool:
    """Whether a header is one of the names a phone column goes by."""
    return _RECOGNISED_BY_KEY.get(_key(header), ("", 0))[0] == PHONE


def attribute_name(header: str, position: int) -> str:
    """A name for templates, `[A-Za-z][A-Za-z0-9_]*`, at most 40 long: the header itself where it already is one."""
    name = _NOT_IN_A_NAME.sub("_", _plain(header)).strip("_")
    if not name[:1].isalpha():
        name = f"column_{name or position + 1}"
    return name[:MAX_ATTRIBUTE_NAME_CHARS].rstrip("_")


def read_columns(header: Sequence[str], mapping: Mapping[str, str] | None = None) -> Columns:
    """What the columns mean: as `mapping` says (header → field, attribute, or "" to leave out), else by known names.

    Raises:
        ImportRefused: `too_many_columns`, `empty_header`, `duplicate_header`, `bad_mapping` or `no_phone_column`.
    """
    names = [clean_cell(cell) for cell in header]
    _refuse_bad_names(names)
    given = {clean_cell(name): field for name, field in (mapping or {}).items()}
    _refuse_bad_mapping(given, names)
    fields = _recognise([name for name in names if name not in given], taken=frozenset(given.values())) | given
    positions = {field: names.index(name) for name, field in fields.items() if field in RECOGNISED}
    if PHONE not in positions:
        raise ImportRefused(
            "no_phone_column",
            f"None of the columns ({', '.join(names[:10])}) holds the phone number. "
            "Name one of them phone_number, or say which it is in the mapping.",
        )
    attributes = [
        (position, fields.get(name) or attribute_name(name, position))
        for position, name in enumerate(names)
        if name not in fields or (fields[name] and fields[name] not in RECOGNISED)
    ]
    repeated = _first_repeated([name for _, name in attributes])
    if repeated:
        raise ImportRefused(
            "duplicate_header", f"Two columns would both become the attribute “{repeated}”. Rename one of them."
        )
    return Columns(tuple(names), positions[PHONE], positions.get(NAME), positions.get(TIMEZONE), tuple(attributes))


def _refuse_bad_names(names: Sequence[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise ImportRefused(
            "too_many_columns", f"The file has {len(names)} columns; at most {MAX_COLUMNS} are taken. Remove some."
        )
    if "" in names:
        raise ImportRefused(
            "empty_header", f"Column {names.index('') + 1} has no name. Name it or remove it, then upload again."
        )
    repeated = _first_repeated(names)
    if repeated:
        raise ImportRefused("duplicate_header", f"Two columns are named “{repeated}”. Rename one of them.")


def _first_repeated(names: Sequence[str]) -> str:
    return next((name for position, name in enumerate(names) if name in names[:position]), "")


def _refuse_bad_mapping(given: Mapping[str, str], names: Sequence[str]) -> None:
    for name, field in given.items():
        if name not in names:
            raise ImportRefused("bad_mapping", f"The mapping names the column “{name}”, which the file does not have.")
        if field != IGNORED and (not _ATTRIBUTE_NAME.fullmatch(field) or len(field) > MAX_ATTRIBUTE_NAME_CHARS):
            raise ImportRefused(
                "bad_mapping",
                f"“{field}” cannot be an attribute's name. Use a letter, then letters, digits and _, "
                f"at most {MAX_ATTRIBUTE_NAME_CHARS}.",
            )
    repeated = _first_repeated([field for field in given.values() if field != IGNORED])
    if repeated:
        raise ImportRefused("bad_mapping", f"The mapping sends two columns to {repeated}.")


def _recognise(names: Sequence[str], *, taken: frozenset[str]) -> dict[str, str]:
    """Header → field for the best-ranked header of each field that the mapping has not taken."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        field, rank = _RECOGNISED_BY_KEY.get(_key(name), ("", 0))
        if field and field not in taken and rank < best.get(field, (rank + 1, ""))[0]:
            best[field] = (rank, name)
    return {name: field for field, (_, name) in best.items()}


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def is_timezone(name: str) -> bool:
    """Whether `name` is an IANA time zone."""
    return name in _timezones()


class RowReader:
    """Judges rows of one file. Pure: the same cells always give the same answer."""

    __slots__ = ("_attributes", "_columns", "_countries", "_region", "_width")

    def __init__(self, columns: Columns, *, default_region: str, countries: Collection[str] | None = None) -> None:
        """`countries` are the codes of those that may be called; None: all."""
        self._columns = columns
        self._width = len(columns.header)
        self._attributes = columns.attributes
        self._region = default_region
        self._countries = countries

    def read(self, cells: Sequence[str]) -> CustomerRow | RowProblem | None:
        """The row as a customer, the first thing wrong with it, or None for a blank row."""
        if len(cells) != self._width:
            return self._column_count(len(cells)) if any(map(str.strip, cells)) else None
        values = [clean_cell(cell) for cell in cells]
        if not values[self._columns.phone] and not any(values):
            return None
        problem = self._text_problem(values)
        if problem:
            return problem
        try:
            phone = parse_phone_number(values[self._columns.phone], self._region)
        except PhoneNumberError as error:
            return RowProblem(self._columns.header[self._columns.phone], error.code, error.detail[:300])
        if self._countries is not None and phone.region not in self._countries:
            return self._at(self._columns.phone, COUNTRY_NOT_ALLOWED, country_refusal(phone.region))
        columns = self._columns
        name = "" if columns.name is None else values[columns.name]
        timezone = "" if columns.timezone is None else values[columns.timezone]
        if len(name) > MAX_NAME_CHARS:
            return self._at(columns.name, "too_long", f"The name is longer than {MAX_NAME_CHARS} characters.")
        if timezone and not is_timezone(timezone):
            return self._at(
                columns.timezone,
                "bad_timezone",
                f"“{timezone[:60]}” is no IANA time zone; write for example Asia/Ho_Chi_Minh, or leave the cell empty.",
            )
        attributes = orjson.dumps({key: values[position] for position, key in self._attributes}).decode()
        return CustomerRow(phone.e164, name, timezone, attributes, phone.was_repaired)

    def _at(self, position: int | None, code: str, reason: str) -> RowProblem:
        return RowProblem("" if position is None else self._columns.header[position], code, reason)

    def _column_count(self, found: int) -> RowProblem:
        return RowProblem("", "column_count", f"The row has {found} cells; the header has {self._width}.")

    def _text_problem(self, values: Sequence[str]) -> RowProblem | None:
        row = "".join(values)
        if _CONTROL.search(row):
            position = next(at for at, value in enumerate(values) if _CONTROL.search(value))
            return self._at(position, "bad_text", "The cell holds control characters. Remove them.")
        if len(row) > MAX_CELL_CHARS:
            long = next((at for at, value in enumerate(values) if len(value) > MAX_CELL_CHARS), None)
            if long is not None:
                return self._at(long, "too_long", f"The cell is longer than {MAX_CELL_CHARS} characters.")
        return None
