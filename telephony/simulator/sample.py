"""A sample customer list for the simulator: invented people whose numbers lead to many different calls.

The numbers are written as people write them, and a few rows are wrong on purpose, so that an import has something to
report. Nobody's real number is meant: the list is only ever dialed by the simulator.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from random import Random

from telephony.simulator.behaviour_table import BY_NAME

COLUMNS = ("phone_number", "name", "title", "plan")

# How many customers meet each behaviour of the table.
CAST: tuple[tuple[str, int], ...] = (
    ("all_yes", 8),
    ("mixed_answers", 6),
    ("all_no", 3),
    ("no_time", 2),
    ("slow_talker", 2),
    ("mumbles", 2),
    ("asks_who", 2),
    ("call_back", 2),
    ("not_interested", 1),
    ("stop_calling", 2),
    ("wants_person", 2),
    ("asks_for_person", 1),
    ("barges_in", 2),
    ("greets_first", 1),
    ("hangs_up_early", 1),
    ("hangs_up_mid_question", 1),
    ("no_answer", 2),
    ("busy", 2),
    ("voicemail", 1),
    ("invalid_number", 1),
    ("throttled", 1),
)

# Source: Vietnam's mobile number ranges, ten digits with the leading 0.
_PREFIXES = ("090", "091", "093", "094", "096", "097", "098", "032", "033", "035", "037", "038", "039", "070", "086")
_FAMILY_NAMES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô")
_GIVEN_NAMES = {
    "anh": ("Minh Tuấn", "Văn Hùng", "Quốc Bảo", "Đức Anh", "Hoàng Long", "Thanh Tùng", "Gia Huy", "Hữu Phước"),
    "chị": ("Thị Lan", "Ngọc Mai", "Thu Hà", "Bích Ngọc", "Thanh Thảo", "Phương Linh", "Kim Chi", "Hồng Nhung"),
}
_PLANS = ("Basic", "Family", "Business")


@dataclass(frozen=True, slots=True)
class SampleCustomer:
    """One row. `phone_number` is national, ten digits, as dialed; `written` as the list shows it."""

    phone_number: str
    written: str
    name: str
    title: str
    plan: str


def sample_customers(seed: int) -> list[SampleCustomer]:
    """The good rows, in an order that mixes the behaviours; the same for the same seed."""
    random = Random(seed)
    names = [name for name, count in CAST for _ in range(count)]
    random.shuffle(names)
    taken: set[str] = set()
    return [_customer(random, BY_NAME[name].first, BY_NAME[name].last, taken) for name in names]


def sample_csv(seed: int) -> str:
    """The whole list as CSV with a header row: the good rows, and four wrong ones among them."""
    random = Random(f"rows {seed}")
    customers = sample_customers(seed)
    rows = [(customer.written, customer.name, customer.title, customer.plan) for customer in customers]
    twice = customers[0]
    wrong = [
        ("12345", "Nguyễn Văn Ngắn", "anh", "Basic"),
        ("không có số", "Trần Thị Thiếu", "chị", "Family"),
        ("", "Lê Văn Trống", "anh", "Basic"),
        (_international(twice.phone_number), twice.name, twice.title, twice.plan),
    ]
    for row in wrong:
        rows.insert(random.randrange(1, len(rows)), row)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def _customer(random: Random, first: int, last: int, taken: set[str]) -> SampleCustomer:
    number = ""
    while not number or number in taken:
        ending = random.randint(first, last)
        number = f"{random.choice(_PREFIXES)}{random.randrange(100_000):05}{ending:02}"
    taken.add(number)
    title = random.choice(tuple(_GIVEN_NAMES))
    return SampleCustomer(
        phone_number=number,
        written=random.choice(_WRITINGS)(number),
        name=f"{random.choice(_FAMILY_NAMES)} {random.choice(_GIVEN_NAMES[title])}",
        title=title,
        plan=random.choice(_PLANS),
    )


def _plain(number: str) -> str:
    return number


def _spaced(number: str) -> str:
    return f"{number[:4]} {number[4:7]} {number[7:]}"


def _dotted(number: str) -> str:
    return f"{number[:4]}.{number[4:7]}.{number[7:]}"


def _dashed(number: str) -> str:
    return f"{number[:3]}-{number[3:6]}-{number[6:]}"


def _international(number: str) -> str:
    return f"+84{number[1:]}"


def _international_spaced(number: str) -> str:
    return f"+84 {number[1:3]} {number[3:6]} {number[6:]}"


_WRITINGS = (_plain, _plain, _spaced, _dotted, _dashed, _international, _international_spaced)
