"""What the end of a conversation means for the attempt that rang the customer."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.enums import EndedBy, Outcome
from campaigns.policies.outcomes import outcome_of

# Below this much speech a call that broke through no fault of the customer's was no conversation.
# Source: reliability.md E.2, after-attempt policy.
MIN_TALK_MS = 10_000

OUR_FAULT = frozenset({EndedBy.AGENT_FAILED, EndedBy.BRIDGE_ERROR, EndedBy.INTERRUPTED, EndedBy.DRAIN, EndedBy.STOPPED})
_ENDED_BY: Mapping[str, EndedBy] = {
    **{kind.value: kind for kind in EndedBy},
    # PSR's `closed` does not say who hung up; when it comes first, it was not us.
    "vendor_closed": EndedBy.CUSTOMER_HANGUP,
}


def ended_by_of(text: str) -> EndedBy:
    """Who ended the call, from the bridge's word; a word we do not know counts as the bridge's error."""
    return _ENDED_BY.get(text, EndedBy.BRIDGE_ERROR)


def outcome_of_call(*, ended_by: EndedBy, disposition: str, talk_ms: int) -> Outcome:
    """The outcome of an attempt that became a call; `talk_ms` is the length of everything said by both sides."""
    if ended_by in OUR_FAULT and talk_ms < MIN_TALK_MS:
        return Outcome.FAILED
    return outcome_of(Outcome.ANSWERED, disposition)
