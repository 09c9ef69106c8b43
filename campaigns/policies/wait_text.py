"""Why a contact waits, in words: what stands in its `state_reason`, said to people."""

from __future__ import annotations

from campaigns.enums import Outcome
from campaigns.policies.eligibility import LABELS, Gate
from campaigns.policies.outcomes import CALLBACK, CALLBACK_EXPIRED, REASON_SEPARATOR


def try_in_words(reason: str) -> str:
    """After which end another try is made, such as `no answer` or `answered, “not_now”`; empty for other reasons."""
    outcome, _, disposition = reason.partition(REASON_SEPARATOR)
    if outcome not in Outcome.values:
        return ""
    words = Outcome(outcome).label.lower()
    return f"{words}, “{disposition}”" if disposition else words


def next_try_because(reason: str, *, attempts_made: int, max_attempts: int) -> str:
    """Why a waiting contact is tried at its time, as a sentence."""
    if reason == CALLBACK:
        return "The customer asked to be called then."
    if reason == CALLBACK_EXPIRED:
        return "The customer's wish to be called could not be met in time; it is called like all others."
    if after := try_in_words(reason):
        return f"After {after}; attempt {attempts_made + 1} of at most {max_attempts} comes next."
    if reason in LABELS:
        return f"Put off until this holds: {LABELS[Gate(reason)]}."
    return f"Put off: {reason.replace('_', ' ')}." if reason else "Its first attempt comes next."
