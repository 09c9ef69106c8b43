import zoneinfo

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.phone_numbers import NumberType, PhoneNumber, PhoneNumberError, mask, parse_phone_number, timezones_of

MOBILE = PhoneNumber("+84899999999", NumberType.MOBILE, "VN")
REPAIRED_MOBILE = PhoneNumber("+84899999999", NumberType.MOBILE, "VN", was_repaired=True)


@pytest.mark.parametrize(
    "text",
    [
        "0899999999",
        "84899999999",
        "+84899999999",
        "0084899999999",
        "0899 999 999",
        "0899.999.999",
        "0899-999-999",
        "(0899) 999 999",
        "+84 (0) 899 999 999",
        "+840899999999",
        " 0899999999\t",
        "0899\u00a0999\u00a0999",
        "0899\u2013999\u2013999",
        "'0899999999",
        "\u20180899999999",
        "０８９９９９９９９９",
        "＋８４（８９９）９９９９９９",
        "٠٨٩٩٩٩٩٩٩٩",
        "०८९९९९९९९९",
        "\u202a0899999999\u202c",
        "\u200f0899999999",
        "\ufeff0899999999",
        "tel:+84899999999",
        "TEL:0899999999",
    ],
)
def test_ways_of_writing_a_mobile_mean_the_same_number(text):
    assert parse_phone_number(text) == MOBILE


@pytest.mark.parametrize("text", ["899999999", "899 999 999", "84899999999.0", "0899999999.00", "899999999,0"])
def test_damage_by_spreadsheets_is_repaired_and_said(text):
    assert parse_phone_number(text) == REPAIRED_MOBILE


MOVED = {
    "0120": "070",
    "0121": "079",
    "0122": "077",
    "0123": "083",
    "0124": "084",
    "0125": "085",
    "0126": "076",
    "0127": "081",
    "0128": "078",
    "0129": "082",
    "0162": "032",
    "0163": "033",
    "0164": "034",
    "0165": "035",
    "0166": "036",
    "0167": "037",
    "0168": "038",
    "0169": "039",
    "0186": "056",
    "0188": "058",
    "0199": "059",
}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
@pytest.mark.parametrize("written", ["{0}1234567", "+84{1}1234567", "84{1}1234567", "{1}1234567"])
def test_mobiles_of_before_2018_are_moved(old, new, written):
    number = parse_phone_number(written.format(old, old[1:]))

    assert number == PhoneNumber(f"+84{new[1:]}1234567", NumberType.MOBILE, "VN", was_repaired=True)


@pytest.mark.parametrize("old", ["0130", "0160", "0187", "0198"])
def test_prefixes_that_never_moved_are_refused(old):
    with pytest.raises(PhoneNumberError):
        parse_phone_number(f"{old}1234567")


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("028 3812 3456", "VN", PhoneNumber("+842838123456", NumberType.FIXED_LINE, "VN")),
        ("2838123456", "VN", PhoneNumber("+842838123456", NumberType.FIXED_LINE, "VN", was_repaired=True)),
        ("+65 9123 4567", "VN", PhoneNumber("+6591234567", NumberType.MOBILE, "SG")),
        ("9123 4567", "SG", PhoneNumber("+6591234567", NumberType.MOBILE, "SG")),
        ("(415) 555-2671", "US", PhoneNumber("+14155552671", NumberType.FIXED_LINE_OR_MOBILE, "US")),
        ("+84899999999", "US", MOBILE),
        ("0899999999", "ZA", None),
    ],
)
def test_other_numbers_are_read_by_country(text, region, number):
    if number is None:
        with pytest.raises(PhoneNumberError):
            parse_phone_number(text, region)
    else:
        assert parse_phone_number(text, region) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "'",
        "tel:",
        "+",
        "unknown",
        "0899999999x",
        "0899999999 ext 5",
        "0899999999#5",
        "tel:+84899999999;ext=5",
        "0899999999/0899999998",
        "0899999999, 0899999998",
        "0899999999 0899999998",
        "0899+999999",
        "++84899999999",
        "089999999",
        "08999999999",
        "0999999",
        "0" * 40,
        "1" * 65,
        "0551234567",
        "+999123456789",
        "²899999999",
        "=0899999999",
        "0899999999\x00",
    ],
)
def test_text_that_is_no_number_is_refused(text):
    with pytest.raises(PhoneNumberError) as refusal:
        parse_phone_number(text)
    assert refusal.value.code == "bad_phone"
    assert refusal.value.detail.endswith(".")


@pytest.mark.parametrize(
    "text", ["8.4899E+11", "8,4899E+11", "8.49E+10", "84899999999E0", "8e9", "８.４８９９Ｅ＋１１"]
)
def test_scientific_notation_is_refused_with_what_to_do(text):
    with pytest.raises(PhoneNumberError) as refusal:
        parse_phone_number(text)
    assert refusal.value.code == "phone_scientific"
    assert "as text" in refusal.value.detail


SHORT_CODES = ["101", "111", "112", "113", "114", "115", "1022", "156"]


@pytest.mark.parametrize(
    "text",
    [
        *SHORT_CODES,
        *[f"0{code}" for code in SHORT_CODES],
        *[f"+84{code}" for code in SHORT_CODES],
        *[f"84{code}" for code in SHORT_CODES],
        *[f"0084{code}" for code in SHORT_CODES],
        "1 1 3",
        "19001234",
        "1900 1234 56",
        "+8419001234",
        "18001234",
        "1800123456",
        "0672123456",
        "069212345",
        "+870773111632",
        "+881612345678",
        "+80012345678",
        "+979123456789",
        "+19005551234",
        "+447012345678",
        "+3546112345",
    ],
)
def test_numbers_that_campaigns_must_not_call_are_refused(text):
    with pytest.raises(PhoneNumberError) as refusal:
        parse_phone_number(text)
    assert refusal.value.code == "blocked_number_class"


@pytest.mark.parametrize(("text", "region"), [("911", "US"), ("999", "GB"), ("000", "AU")])
def test_emergency_numbers_of_other_countries_are_refused(text, region):
    with pytest.raises(PhoneNumberError) as refusal:
        parse_phone_number(text, region)
    assert refusal.value.code == "blocked_number_class"


def by_library(text, region):
    """The E.164 form if the library calls it a valid ordinary mobile, else None."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.MOBILE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def e164_of(text, region="VN"):
    try:
        return parse_phone_number(text, region).e164
    except PhoneNumberError:
        return None


@pytest.mark.parametrize("prefix", ["0", "84", "+84"])
def test_every_mobile_prefix_is_judged_as_the_library_does(prefix):
    texts = [f"{prefix}{operator}123456" for operator in range(300, 1000)]

    assert {text: e164_of(text) for text in texts} == {text: by_library(text, "VN") for text in texts}


@given(st.from_regex(r"(0|84|\+84)[35789][0-9]{8}", fullmatch=True), st.sampled_from(["VN", "US"]))
def test_short_cut_agrees_with_the_library(text, region):
    assert e164_of(text, region) == by_library(text, region)


@given(st.text() | st.from_regex(r"[+0-9 .()'-]{0,30}", fullmatch=True), st.sampled_from(["VN", "US", "DE", "IT"]))
def test_any_text_is_a_number_or_a_reason(text, region):
    try:
        number = parse_phone_number(text, region)
    except PhoneNumberError as error:
        codes = {"bad_phone", "phone_scientific", "blocked_number_class"}
        assert error.code in codes  # noqa: PT017 either way of ending is right, each in its own shape
    else:
        assert phonenumbers.is_valid_number(phonenumbers.parse(number.e164))
        assert parse_phone_number(number.e164, region).e164 == number.e164


@pytest.mark.parametrize(
    ("e164", "zones"),
    [
        ("+84899999999", ("Asia/Ho_Chi_Minh",)),
        ("+842838123456", ("Asia/Ho_Chi_Minh",)),
        ("+14155552671", ("America/Los_Angeles",)),
        ("+870773111632", ()),
        ("0899999999", ()),
        ("", ()),
    ],
)
def test_timezones_are_those_of_the_number(e164, zones):
    assert timezones_of(e164) == zones


def test_timezones_of_a_wide_number_are_all_of_them():
    zones = timezones_of("+18005552671")

    assert {"America/New_York", "Pacific/Honolulu"} < set(zones)
    assert set(zones) <= zoneinfo.available_timezones()


@pytest.mark.parametrize(
    ("e164", "masked"),
    [
        ("+84899999999", "+84•••••999"),
        ("+14155552671", "+1•••••671"),
        ("+35312345678", "+353•••••678"),
        ("0899999999", "•••••"),
        ("+84", "•••••"),
        ("+84899999999\n", "•••••"),
        ("", "•••••"),
    ],
)
def test_mask_keeps_the_country_and_three_digits(e164, masked):
    assert mask(e164) == masked
