import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.hangup_causes import CallStatus, DialResult, HangupCause, read_status


@pytest.mark.parametrize(
    ("word", "result", "cause"),
    [
        ("answered", DialResult.ANSWERED, HangupCause.NORMAL_CLEARING),
        ("IVR", DialResult.ANSWERED, HangupCause.NORMAL_CLEARING),
        ("busy", DialResult.BUSY, HangupCause.USER_BUSY),
        ("busy line", DialResult.BUSY, HangupCause.USER_BUSY),
        ("USER_BUSY", DialResult.BUSY, HangupCause.USER_BUSY),
        ("no-answered", DialResult.NO_ANSWER, HangupCause.NO_ANSWER),
        ("NO_ANSWER", DialResult.NO_ANSWER, HangupCause.NO_ANSWER),
        ("not-available", DialResult.NO_ANSWER, HangupCause.SUBSCRIBER_ABSENT),
        ("USER_NOT_REGISTERED", DialResult.NO_ANSWER, HangupCause.SUBSCRIBER_ABSENT),
        ("recv_refuse", DialResult.REJECTED, HangupCause.CALL_REJECTED),
        ("voicemail", DialResult.MACHINE, None),
        ("invalid-number", DialResult.INVALID_NUMBER, HangupCause.UNALLOCATED_NUMBER),
        ("phone-block", DialResult.BLOCKED, None),
        ("congestion", DialResult.CONGESTION, HangupCause.NORMAL_CIRCUIT_CONGESTION),
        (" Cancel ", DialResult.CANCELED, HangupCause.ORIGINATOR_CANCEL),
        ("failed", DialResult.FAILED, None),
        ("17", DialResult.BUSY, HangupCause.USER_BUSY),
        ("NETWORK_OUT_OF_ORDER", DialResult.FAILED, HangupCause.NETWORK_OUT_OF_ORDER),
        ("9", DialResult.FAILED, None),
        ("", DialResult.FAILED, None),
        ("a new word", DialResult.FAILED, None),
    ],
)
def test_status_words_are_read(word, result, cause):
    assert read_status(word) == CallStatus(result, cause)


@pytest.mark.parametrize("cause", list(HangupCause))
def test_each_cause_is_read_by_name_and_by_number(cause: HangupCause):
    by_number = read_status(str(int(cause)))

    assert by_number == CallStatus(cause.result, cause)
    assert read_status(cause.name).cause == cause


@given(st.text())
def test_any_word_has_a_meaning(word):
    assert read_status(word).result in DialResult


def test_causes_have_the_codes_of_q850():
    assert (HangupCause.USER_BUSY, HangupCause.NO_ANSWER, HangupCause.CALL_REJECTED) == (17, 19, 21)
    assert (HangupCause.NORMAL_CLEARING, HangupCause.INTERWORKING) == (16, 127)
