"""Reads phone numbers as people and spreadsheets write them: to E.164, or to a reason that says what to do.

Never import `phonenumbers.geocoder` here: it takes four seconds.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberType
from phonenumbers import timezone as phone_timezones

from telephony.errors import PhoneNumberError

__all__ = [
    "NumberType",
    "PhoneNumber",
    "PhoneNumberError",
    "is_e164",
    "is_region",
    "mask",
    "parse_phone_number",
    "region_of",
    "timezones_of",
]

MAX_TEXT_CHARS = 64
MIN_NATIONAL_DIGITS = 8

VIETNAM = "VN"
_VIETNAM_CODE = 84
# Whole numbers only: what matches is a mobile to the library too (a property test holds them together), and what
# does not match is the library's to judge.
_VIETNAM_MOBILE = re.compile(
    r"(?:0|\+?84)((?:3[2-9]|5[689]|7[06-9]|8(?:[1-8]|9(?=[6-9]))|9(?:[0-8]|9(?=[3-9])))[0-9]{7})"
)

# Mobile numbers lost a digit in 2018: 0168 became 038 and so on, the last seven digits stayed.
# Source: Ministry of Information and Communications of Vietnam, conversion plan of 15 September to 14 November 2018.
_MOVED_VIETNAM_PREFIXES = MappingProxyType(
    {
        "162": "32",
        "163": "33",
        "164": "34",
        "165": "35",
        "166": "36",
        "167": "37",
        "168": "38",
        "169": "39",
        "120": "70",
        "121": "79",
        "122": "77",
        "126": "76",
        "128": "78",
        "123": "83",
        "124": "84",
        "125": "85",
        "127": "81",
        "129": "82",
        "186": "56",
        "188": "58",
        "199": "59",
    }
)
_MOVED_NATIONAL_DIGITS = 10

# Child protection, search and rescue, police, fire, ambulance, the operators' and authorities' desks, information, and
# what is paid for by its caller or its owner. The library knows only some of them as special.
_VIETNAM_SHORT = re.compile(r"(?:\+?84|0084)?0?(?:101|108[0-9]|11[1-9]|156|1022|1[89]00[0-9]{0,6})")
_NON_GEOGRAPHIC_REGION = "001"
_UNKNOWN_TIMEZONE = "Etc/Unknown"

_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")
_DECIMAL_ZEROS = re.compile(r"([0-9]{8,15})[.,]0{1,2}")
_SEPARATORS = re.compile(r"[ .()\-]+")
_DIALABLE = re.compile(r"\+?[0-9]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_HOW_TO_WRITE = "write it with its country code, such as +84899999999"


class NumberType(StrEnum):
    """The classes of numbers that may be dialed."""

    MOBILE = "mobile"
    FIXED_LINE = "fixed_line"
    FIXED_LINE_OR_MOBILE = "fixed_line_or_mobile"


_TYPES = MappingProxyType(
    {
        PhoneNumberType.MOBILE: NumberType.MOBILE,
        PhoneNumberType.FIXED_LINE: NumberType.FIXED_LINE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberType.FIXED_LINE_OR_MOBILE,
    }
)


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number that may be dialed.

    `region` is its country's ISO code; `was_repaired` says that the text was damaged (a lost leading zero, decimals,
    an abolished prefix) and was put right.
    """

    e164: str
    number_type: NumberType
    region: str
    was_repaired: bool = False


def parse_phone_number(text: str, default_region: str = VIETNAM) -> PhoneNumber:
    """The number that `text` means; without a country code it is one of `default_region` (ISO code).

    Raises:
        PhoneNumberError: `bad_phone` (no number, or none that exists), `phone_scientific` (a spreadsheet dropped
            digits) or `blocked_number_class` (emergency, short, premium, toll-free, shared-cost, satellite …).
    """
    plain = _VIETNAM_MOBILE.fullmatch(text)
    if plain is not None and (default_region == VIETNAM or text[0] == "+"):
        return PhoneNumber(f"+84{plain[1]}", NumberType.MOBILE, VIETNAM)
    return _parse_any(text, default_region)


def timezones_of(e164: str) -> tuple[str, ...]:
    """The IANA time zones that the number may be in, several where its country or class has several.

    Empty where none is known, or where `e164` is not a number.
    """
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return ()
    names: tuple[str, ...] = phone_timezones.time_zones_for_number(number)
    return () if names == (_UNKNOWN_TIMEZONE,) else names


def region_of(e164: str) -> str:
    """The ISO code of the number's country; empty where it has none, or is not a number."""
    if _VIETNAM_MOBILE.fullmatch(e164):
        return VIETNAM
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(e164)) or ""
    except phonenumbers.NumberParseException:
        return ""


def is_region(code: str) -> bool:
    """Whether it is the ISO code, in capitals, of a country with telephone numbers of its own."""
    return code in phonenumbers.SUPPORTED_REGIONS


def is_e164(text: str) -> bool:
    """Whether the text has the form of a number in E.164, as `parse_phone_number` gives it."""
    return _E164.fullmatch(text) is not None


def mask(e164: str) -> str:
    """The number as logs may show it: country code and last three digits, `+84•••••999`."""
    if not re.fullmatch(r"\+[0-9]{8,15}", e164):
        return "•••••"
    code = next((e164[1:end] for end in (2, 3, 4) if int(e164[1:end]) in COUNTRY_CODE_TO_REGION_CODE), "")
    return f"+{code}•••••{e164[-3:]}"


def _parse_any(text: str, default_region: str) -> PhoneNumber:
    digits, had_decimals = _dialable(text)
    if (default_region == VIETNAM or digits.startswith("+84")) and _VIETNAM_SHORT.fullmatch(digits):
        raise _blocked("an emergency or service number")
    if phonenumbers.is_emergency_number(digits, default_region):
        raise _blocked("an emergency number")
    number = _parsed(digits, default_region)
    moved = _moved(number)
    if moved is not None:
        number = moved
    _refuse_blocked(number)
    is_repaired = had_decimals or moved is not None or _has_lost_zero(number, digits, default_region)
    region = phonenumbers.region_code_for_number(number) or ""
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return PhoneNumber(e164, _TYPES[phonenumbers.number_type(number)], region, is_repaired)


def _dialable(text: str) -> tuple[str, bool]:
    """ASCII digits, with a leading + where there was one; and whether a spreadsheet's decimals were cut off."""
    if len(text) > MAX_TEXT_CHARS:
        raise PhoneNumberError("bad_phone", f"The text is too long for one phone number; {_HOW_TO_WRITE}.")
    line = "".join(map(_ascii, text)).strip().removeprefix("'").strip()
    if line[:4].lower() == "tel:":
        line = line[4:]
    if not line:
        raise PhoneNumberError("bad_phone", "The phone number is empty.")
    if _SCIENTIFIC.fullmatch(line):
        raise PhoneNumberError(
            "phone_scientific",
            "A spreadsheet turned this phone number into a rounded number, so digits are lost; "
            "format the column as text in the original file and export it again.",
        )
    decimals = _DECIMAL_ZEROS.fullmatch(line)
    if decimals is not None:
        line = decimals[1]
    digits = _SEPARATORS.sub("", line)
    if not _DIALABLE.fullmatch(digits):
        raise PhoneNumberError(
            "bad_phone",
            "A phone number may have only digits, spaces, dots, dashes, brackets and a + at its beginning "
            f"(one number, no extension); {_HOW_TO_WRITE}.",
        )
    return digits, decimals is not None


def _ascii(char: str) -> str:
    """The ASCII form of a digit, space, dash or full-width character of any script; empty for an invisible mark."""
    if char < "\x7f":
        return " " if char.isspace() else char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or char == "\N{MINUS SIGN}":
        return "-"
    if char in "\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}":
        return "'"
    if "\N{FULLWIDTH EXCLAMATION MARK}" <= char <= "\N{FULLWIDTH TILDE}":
        return unicodedata.normalize("NFKC", char)
    return char


def _parsed(digits: str, default_region: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(digits, default_region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        raise _no_such_number(default_region) from None


def _moved(number: phonenumbers.PhoneNumber) -> phonenumbers.PhoneNumber | None:
    """Today's form of a Vietnamese mobile number with eleven digits; None for any other number."""
    national = str(number.national_number)
    if number.country_code != _VIETNAM_CODE or len(national) != _MOVED_NATIONAL_DIGITS:
        return None
    prefix = _MOVED_VIETNAM_PREFIXES.get(national[:3])
    return None if prefix is None else phonenumbers.parse(f"+84{prefix}{national[3:]}")


def _refuse_blocked(number: phonenumbers.PhoneNumber) -> None:
    """Raise unless `number` exists and is an ordinary subscriber's."""
    national = phonenumbers.national_significant_number(number)
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    if not phonenumbers.is_valid_number(number):
        raise _no_such_number(region)
    if region == _NON_GEOGRAPHIC_REGION:
        raise _blocked("a satellite or international service number")
    if phonenumbers.number_type(number) not in _TYPES:
        raise _blocked("a premium, toll-free, shared-cost or other special number")
    if len(national) < MIN_NATIONAL_DIGITS:
        raise _blocked("a short number")


def _has_lost_zero(number: phonenumbers.PhoneNumber, digits: str, default_region: str) -> bool:
    if number.country_code_source != phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY:
        return False
    return phonenumbers.ndd_prefix_for_region(default_region, True) == "0" and not digits.startswith("0")


def _blocked(what: str) -> PhoneNumberError:
    return PhoneNumberError("blocked_number_class", f"This is {what}, which campaigns must not call; remove it.")


def _no_such_number(region: str) -> PhoneNumberError:
    return PhoneNumberError(
        "bad_phone", f"No such phone number exists ({region}); check its digits, or {_HOW_TO_WRITE}."
    )
