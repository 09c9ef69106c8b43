import pytest

from telephony.errors import RemoteProtocolError
from telephony.protocols.ucid_fields import is_dialable, is_ucid, read_x_headers, short_text, text_of


@pytest.mark.parametrize("ucid", ["1", "9171763700000123", "CALL-2025-10-07-001", "a.b_c:d@e+f-g", "x" * 128])
def test_ucid_of_the_safe_alphabet_is_taken(ucid):
    assert is_ucid(ucid)


@pytest.mark.parametrize("ucid", [None, 7, ["a"], "", "x" * 129, "a b", "a/b", "a\n", "é", "１", '"', "\x00"])
def test_other_ucid_is_not(ucid):
    assert not is_ucid(ucid)


@pytest.mark.parametrize(
    ("number", "is_one"),
    [
        ("101", True),
        ("+84899999999", True),
        ("", False),
        ("1", False),
        ("1" * 16, False),
        ("++84", False),
        ("10 1", False),
        ("101\n", False),
        ("１０１", False),
        ("<hangup/>", False),
    ],
)
def test_only_digits_can_be_dialed(number, is_one):
    assert is_dialable(number) is is_one


def test_text_comes_in_either_kind_of_frame():
    assert (text_of("é"), text_of("é".encode())) == ("é", "é")
    with pytest.raises(RemoteProtocolError) as refusal:
        text_of(b"\xff")
    assert refusal.value.code == "bad_json"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("+9198", "+9198"),
        (" 9198 ", "9198"),
        (918012345678, "918012345678"),
        ("9" * 33, ""),
        ("a\x00b", ""),
        (None, ""),
        (True, ""),
        (1.5, ""),
        (["9198"], ""),
    ],
)
def test_short_text_is_a_number_or_name_or_nothing(value, text):
    assert short_text(value) == text


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        (None, {}),
        ("", {}),
        ('{"cid":"42"}', {"cid": "42"}),
        ({"cid": "42"}, {"cid": "42"}),
        ('{"n":7,"yes":true,"list":[1],"none":null}', {"n": "7", "yes": "true", "list": "[1]", "none": "null"}),
        ('{"long":"' + "x" * 2000 + '"}', {"long": "x" * 1000}),
        ('{"a\\u0000\\n":"b\\u0000c"}', {"a\\x00\\n": "bc"}),
        ('{"empty":""}', {}),
        ("cid=42", None),
        ("[]", None),
        ('{"a":"1","a":"2"}', None),
        (7, None),
        ({str(number): "x" for number in range(65)}, None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_x_headers_are_parameters_written_as_a_string(value, parameters):
    assert read_x_headers(value) == parameters
