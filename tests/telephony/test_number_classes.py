"""Two hundred numbers: who may be called, and who never, whatever a campaign wants (reliability C9)."""

from __future__ import annotations

import pytest

from telephony.phone_numbers import PhoneNumberError, parse_phone_number, region_of

NEVER: dict[str, str] = {
    # Emergency and short numbers, paid services, free numbers; with every prefix people write; numbers that are none.
    "VN": """
        101 111 112 113 114 115 116 117 118 119 156 1022 1080 1081 1088 1800 1900 0101 0111 0112 0113 0114 0115 01022
        0156 +84111 +84112 +84113 +84114 +84115 +841022 +84156 84113 0084113 00841022 19001000 19006789 1900545416
        1900636363 +8419001000 0019001000 18001090 18008198 1800123456 +8418001090 0671234567 0672345678 069123456
        0691234567 0692345678 0249 0123 1234 12345 123456 1234567 09 0912 09123 091234567 09123456789 0000000000
        0111111111 0551234567 0281234567 0236381234 +841800 +841900 01900 +841080
    """,
    "US": """
        911 112 933 211 311 411 511 611 711 811 988 0 1 18005551212 8005551212 8885551212 8775551212 8665551212
        8555551212 8445551212 8335551212 9005551212 19005551212 9765551212 5005551212 5221234567 7005551212 7105551212
        6005551212 5551212
    """,
    "GB": """
        999 112 111 101 105 116123 118500 0800123456 08001111 08081570570 08451234567 08701234567 09011234567
        07012345678 05512345678 03001234567
    """,
    "DE": """
        110 112 115 116117 0800123456 018012345678 0190123456 0900123456 0900512345678 01371234567 070012345678
        0151234567890 01511234567 11833
    """,
    "SG": "999 995 993 18001234567 1900123456 31234567 1777",
    "AU": "000 106 112 1300123456 131234 1800123456 1900123456",
    # Satellites, international networks and services, and numbers of others that cost their caller.
    "": """
        +80012345678 +80812345678 +870773111632 +8816123456789 +881612345678 +88213456789 +882161234567 +88351000012
        +883510001234 +979123456789 +97912345678 +888123456789 +8781012345678 +99912345678 +2471234 +2908999 +672112345
        +3546112345 +447012345678 +33891234567 +33800123456 +8150123456 +81120123456 +1900 +113
    """,
}
ORDINARY: dict[str, str] = {
    "VN": """
        0999999999 0901234567 0961234567 0321234567 0561234567 0701234567 0811234567 0899999999 02838123456 02438123456
        02363812345 +84901234567 +84321234567 +84561234567 +842838123456
    """,
    "US": "4155552671 2125550100 +14155552671 6505551212",
    "GB": "02079460958 +447400123456",
    "DE": "032123456789 03012345678",
    "SG": "91234567 61234567",
    "AU": "0412345678 0212345678",
    "FR": "+33612345678",
    "CN": "+8613912345678",
    "JP": "+819012345678",
    "TH": "+6621234567 +66812345678",
    "KH": "+85512345678",
    "LA": "+8562055123456",
    "KR": "+821012345678",
    "MY": "+60123456789",
    "PH": "+639171234567",
}


def table(numbers: dict[str, str]) -> list[tuple[str, str]]:
    return [(region, text) for region, texts in numbers.items() for text in texts.split()]


def test_the_table_is_long_enough():
    assert len(table(NEVER)) + len(table(ORDINARY)) >= 200


@pytest.mark.parametrize(("region", "text"), table(NEVER))
def test_nobody_can_be_made_to_call(region, text):
    with pytest.raises(PhoneNumberError) as refused:
        parse_phone_number(text, region or "VN")
    assert refused.value.code in ("blocked_number_class", "bad_phone")


@pytest.mark.parametrize(("region", "text"), table(ORDINARY))
def test_ordinary_numbers_are_of_their_country(region, text):
    number = parse_phone_number(text, region)
    assert (number.region, region_of(number.e164)) == (region, region)


@pytest.mark.parametrize("text", ["", "+", "+999123456789", "x"])
def test_what_is_no_number_is_of_no_country(text):
    assert region_of(text) == ""
