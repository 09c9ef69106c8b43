import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.psr.answers import AnswerKind, PsrAnswer, clean_text, read_answer, read_retry_after

BASE_URL = "https://psr.example"
CALL_ID = "60fb0716-87cf-437a-91e6-cdcecae21b43"
DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


def test_documented_answer_is_read():
    body = {
        "code": "OK",
        "data": {
            "call_id": CALL_ID,
            "full_recording_url": "https://elsewhere.example/full.wav",
            "recording_url": "https://elsewhere.example/x.wav",
            "status": "in-progress",
        },
        "message": "OK",
    }

    assert read_answer(BASE_URL, 200, {}, json.dumps(body).encode()) == PsrAnswer(
        kind=AnswerKind.ANSWERED,
        call_id=CALL_ID,
        recording_url=f"{BASE_URL}/psr/v1/call/record/{CALL_ID}.wav",
        full_recording_url=f"{BASE_URL}/psr/v1/call/record/full_{CALL_ID}.wav",
        status_code=200,
        code="OK",
        detail="OK",
    )


@pytest.mark.parametrize("body", [b"", b"OK", b"[]", b"null", b"\xff", b"{", b'{"a":NaN}', b"[" * 60_000])
def test_body_that_is_no_object_is_unreadable(body):
    answer = read_answer(BASE_URL, 200, {}, body)

    assert (answer.kind, answer.detail) == (AnswerKind.UNREADABLE, "the answer is not a JSON object")


def test_body_over_the_limit_is_unreadable():
    body = b'{"code":"OK","data":{"call_id":"a"},"x":"' + b"x" * 65536 + b'"}'

    assert read_answer(BASE_URL, 200, {}, body).kind is AnswerKind.UNREADABLE


@pytest.mark.parametrize("call_id", [None, 7, "", "../x", "a b", "x" * 129, ["a"]])
def test_call_id_that_is_none_is_left_out(call_id):
    answer = read_answer(BASE_URL, 200, {}, json.dumps({"code": "OK", "data": {"call_id": call_id}}).encode())

    assert (answer.call_id, answer.recording_url, answer.full_recording_url) == ("", "", "")


@pytest.mark.parametrize(
    ("code", "read"),
    [
        ("OK", "OK"),
        ("DESTINATION_BLOCKED_BY_OPERATOR", "DESTINATION_BLOCKED_BY_OPERATOR"),
        (4001, "4001"),
        ("0899999999", ""),
        (899999999, ""),
        (True, ""),
        (None, ""),
        ("x" * 65, ""),
        ("OK\n", ""),
    ],
)
def test_code_is_kept_only_where_it_is_one(code, read):
    assert read_answer(BASE_URL, 200, {}, json.dumps({"code": code}).encode()).code == read


@given(st.integers(), st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text()), st.binary())
def test_reading_an_answer_never_fails(status_code, headers, body):
    assert read_answer(BASE_URL, status_code, headers, body).status_code == status_code


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("no route to 0899123456", "no route to •••"),
        ("no route to +84 899 123 456, ext 101", "no route to •••, ext 101"),
        ("cannot reach wss://h.example/psr/abc?x=1 now", "cannot reach ••• now"),
        ("bad token eyJhbGciOiJIUzI1NiJ9.e30.abc", "bad token •••"),
        ("missing\r\n\x00field\u2028extension", "missing field extension"),
        ("trường không hợp lệ", "trường không hợp lệ"),
        ("x" * 300, "x" * 200),
    ],
)
def test_text_of_psr_is_cleaned_for_people_and_logs(text, cleaned):
    assert clean_text(text, 200) == cleaned


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, None, None),
        ("30", None, 30),
        (" 30 ", None, 30),
        ("0", None, 1),
        ("86400", None, 600),
        ("9" * 5000, None, 600),
        ("-5", None, None),
        ("1.5", None, None),
        ("soon", None, None),
        ("٣٠", None, None),
        ("Sat, 21 Nov 2026 10:00:40 GMT", DATE, 40),
        ("Sat, 21 Nov 2026 09:00:00 GMT", DATE, 1),
        ("Sat, 21 Nov 2026 10:00:40 GMT", None, None),
        ("Sat, 21 Nov 2026 10:00:40 GMT", "yesterday", None),
        ("Sat, 21 Nov 2026 10:00:40 -0000", DATE, None),
    ],
    ids=lambda value: str(value)[:32],
)
def test_retry_after_is_read_within_bounds(value, date, seconds):
    assert read_retry_after(value, date) == seconds
