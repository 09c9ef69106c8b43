"""Lines of an imported do-not-call list: one number each, alone or in the first column of a CSV."""

from __future__ import annotations

import re
from enum import Enum

from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number

MAX_LINE_BYTES = 4_096
# A list of which more than this cannot be read is the wrong file, or a damaged one.
REJECTED_SHARE_MAX = 0.05
_SEPARATOR = re.compile(r"[,;\t]")
_AREA_CODE = re.compile(r"[0-9]{1,4}")


class NoNumber(Enum):
    """What a line is that holds no number to keep."""

    NOTHING = "blank, a comment, a header, or a number that is never called anyway"
    UNREADABLE = "no phone number"


def read_line(line: bytes, region: str) -> str | NoNumber:
    """The number of a line in E.164. Numbers without a country code are of `region` (ISO code).

    The area code may stand in a column of its own, as in the files of the United States' registry.
    """
    text = line.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text.startswith("#") or not any(char.isdecimal() for char in text):
        return NoNumber.NOTHING
    cells = [cell.strip().strip("\"'").strip() for cell in _SEPARATOR.split(text)]
    number = cells[0]
    if len(cells) > 1 and _AREA_CODE.fullmatch(number):
        number += cells[1]
    try:
        return parse_phone_number(number, region).e164
    except PhoneNumberError as error:
        return NoNumber.NOTHING if error.code == "blocked_number_class" else NoNumber.UNREADABLE
