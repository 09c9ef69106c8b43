"""What the end of a conversation means for its attempt."""

from __future__ import annotations

import pytest

from campaigns.enums import EndedBy, Outcome
from campaigns.policies.call_ends import MIN_TALK_MS, ended_by_of, outcome_of_call


@pytest.mark.parametrize(
    ("word", "ended_by"),
    [
        *[(kind.value, kind) for kind in EndedBy],
        ("vendor_closed", EndedBy.CUSTOMER_HANGUP),
        ("?", EndedBy.BRIDGE_ERROR),
    ],
)
def test_ended_by_of_every_word(word, ended_by):
    assert ended_by_of(word) is ended_by


@pytest.mark.parametrize("ended_by", EndedBy)
@pytest.mark.parametrize("talk_ms", [MIN_TALK_MS - 1, MIN_TALK_MS])
def test_only_our_own_faults_undo_a_conversation_and_only_a_short_one(ended_by, talk_ms):
    ours = {EndedBy.AGENT_FAILED, EndedBy.BRIDGE_ERROR, EndedBy.INTERRUPTED, EndedBy.DRAIN, EndedBy.STOPPED}
    is_failed = ended_by in ours and talk_ms < MIN_TALK_MS

    found = outcome_of_call(ended_by=ended_by, disposition="", talk_ms=talk_ms)

    assert found is (Outcome.FAILED if is_failed else Outcome.ANSWERED)


def test_a_voicemail_is_a_machine():
    found = outcome_of_call(ended_by=EndedBy.AGENT_HANGUP, disposition="voicemail", talk_ms=9_000)

    assert found is Outcome.MACHINE
