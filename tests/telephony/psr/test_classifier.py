import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.psr.answers import AnswerKind, PsrAnswer, read_answer
from telephony.psr.classifier import DialVerdict, TrunkAction, Verdict, classify

CALL_ID = "60fb0716-87cf-437a-91e6-cdcecae21b43"
UNSENT_STATUSES = {401, 403, 429, *range(300, 400)}


def answered(status_code=200, code="OK", call_id=CALL_ID, **rest):
    return PsrAnswer(AnswerKind.ANSWERED, status_code=status_code, code=code, call_id=call_id, **rest)


@pytest.mark.parametrize(
    ("observation", "verdict"),
    [
        (PsrAnswer(AnswerKind.NOT_CONNECTED), Verdict(DialVerdict.NOT_SENT, "not_connected")),
        (PsrAnswer(AnswerKind.INTERRUPTED), Verdict(DialVerdict.UNKNOWN, "interrupted")),
        (answered(), Verdict(DialVerdict.PLACED, "placed")),
        (answered(201), Verdict(DialVerdict.PLACED, "placed")),
        (answered(call_id=""), Verdict(DialVerdict.UNKNOWN, "no_call_id")),
        (answered(code="ok"), Verdict(DialVerdict.UNKNOWN, "unlisted_code")),
        (answered(code=""), Verdict(DialVerdict.UNKNOWN, "unlisted_code")),
        (answered(code="BLOCKED"), Verdict(DialVerdict.REFUSED, "refused_code")),
        (PsrAnswer(AnswerKind.UNREADABLE, status_code=200), Verdict(DialVerdict.UNKNOWN, "unreadable_answer")),
        (PsrAnswer(AnswerKind.ANSWERED), Verdict(DialVerdict.UNKNOWN, "no_status")),
        *[(answered(status), Verdict(DialVerdict.REFUSED, f"http_{status}")) for status in (400, 404, 413, 415, 422)],
        *[
            (answered(status), Verdict(DialVerdict.NOT_SENT, f"http_{status}", TrunkAction.HOLD))
            for status in (300, 301, 302, 307, 308, 399, 401, 403)
        ],
        (answered(429), Verdict(DialVerdict.NOT_SENT, "http_429", TrunkAction.THROTTLE)),
        (
            answered(429, retry_after_s=30.0),
            Verdict(DialVerdict.NOT_SENT, "http_429", TrunkAction.THROTTLE, retry_after_s=30.0),
        ),
        *[
            (answered(status, retry_after_s=30.0), Verdict(DialVerdict.UNKNOWN, f"http_{status}"))
            for status in (100, 199, 402, 405, 408, 409, 425, 499, 500, 502, 503, 504, 599, 600, 999, -1)
        ],
    ],
    ids=lambda value: value.reason if isinstance(value, Verdict) else "",
)
def test_each_observation_has_its_verdict(observation, verdict):
    assert classify(observation, refused_codes={"BLOCKED"}) == verdict


def test_503_is_unsent_only_where_the_operator_said_so():
    observation = answered(503, retry_after_s=9.0)

    assert classify(observation).dial is DialVerdict.UNKNOWN
    assert classify(observation, is_503_safe=True) == Verdict(
        DialVerdict.NOT_SENT, "http_503", TrunkAction.THROTTLE, retry_after_s=9.0
    )


def test_ok_cannot_be_made_a_refusal():
    assert classify(answered(), refused_codes={"OK"}).dial is DialVerdict.PLACED


def test_missing_code_is_never_a_refusal():
    assert classify(answered(code=""), refused_codes={""}).dial is DialVerdict.UNKNOWN


bodies = st.binary() | st.dictionaries(
    st.sampled_from(["code", "data", "message"]),
    st.sampled_from(["OK", "BLOCKED"]) | st.text() | st.fixed_dictionaries({"call_id": st.just(CALL_ID) | st.text()}),
).map(lambda body: json.dumps(body).encode())


@given(
    status=st.integers(100, 599) | st.integers(),
    body=bodies,
    is_503_safe=st.booleans(),
    refused_codes=st.frozensets(st.sampled_from(["BLOCKED", "OK", ""])),
)
def test_any_response_has_a_verdict_and_only_proof_frees_the_contact(status, body, is_503_safe, refused_codes):
    verdict = classify(
        read_answer("https://psr.example", status, {}, body), is_503_safe=is_503_safe, refused_codes=refused_codes
    )

    unsent = UNSENT_STATUSES | ({503} if is_503_safe else set())
    assert (verdict.dial is DialVerdict.NOT_SENT) == (status in unsent)
    assert (verdict.dial is DialVerdict.PLACED) <= (200 <= status < 300 and b"OK" in body)
