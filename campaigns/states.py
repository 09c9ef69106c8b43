"""The state machines, as tables. `next_state` is the only judge of what may follow what; it changes nothing.

Attempt ranks never fall, because a switch reports late, twice and out of order: the socket with our token may open
before the POST's answer is read, so PLACED may arrive after IN_CALL and is then no step at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from campaigns.enums import AttemptState, CampaignState, ContactState
from campaigns.errors import IllegalTransition

A = AttemptState
C = CampaignState
K = ContactState


class CampaignAction(StrEnum):
    SCHEDULE = "schedule"
    LAUNCH = "launch"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    FINISH = "finish"


ATTEMPT_RANK: Mapping[AttemptState, int] = {
    A.CLAIMED: 0,
    A.DISPATCHING: 1,
    A.UNKNOWN: 2,
    A.PLACED: 3,
    A.IN_CALL: 4,
    A.ENDED: 9,
}
OPEN_ATTEMPT_STATES = tuple(state for state in A if state is not A.ENDED)

ATTEMPT_STEPS: Mapping[AttemptState, frozenset[AttemptState]] = {
    A.CLAIMED: frozenset({A.DISPATCHING, A.ENDED}),
    A.DISPATCHING: frozenset({A.UNKNOWN, A.PLACED, A.IN_CALL, A.ENDED}),
    A.UNKNOWN: frozenset({A.PLACED, A.IN_CALL, A.ENDED}),
    A.PLACED: frozenset({A.IN_CALL, A.ENDED}),
    A.IN_CALL: frozenset({A.ENDED}),
    # A socket that arrives after the deadline corrects the outcome of the ended attempt; the state stays.
    A.ENDED: frozenset(),
}
CAMPAIGN_STEPS: Mapping[CampaignState, Mapping[CampaignAction, CampaignState]] = {
    C.DRAFT: {
        CampaignAction.SCHEDULE: C.SCHEDULED,
        CampaignAction.LAUNCH: C.RUNNING,
        CampaignAction.CANCEL: C.CANCELED,
    },
    C.SCHEDULED: {CampaignAction.LAUNCH: C.RUNNING, CampaignAction.CANCEL: C.CANCELED},
    C.RUNNING: {
        CampaignAction.PAUSE: C.PAUSED,
        CampaignAction.CANCEL: C.CANCELED,
        CampaignAction.FINISH: C.FINISHED,
    },
    C.PAUSED: {CampaignAction.RESUME: C.RUNNING, CampaignAction.CANCEL: C.CANCELED},
    C.FINISHED: {},
    C.CANCELED: {},
}
CONTACT_STEPS: Mapping[ContactState, frozenset[ContactState]] = {
    K.PENDING: frozenset({K.DIALING, K.BLOCKED, K.CANCELED}),
    K.DIALING: frozenset({K.PENDING, K.DONE, K.EXHAUSTED, K.BLOCKED, K.CANCELED}),
    # A call that comes after its deadline is held all the same, and a wish to be called again may be told late.
    K.DONE: frozenset({K.DIALING, K.PENDING}),
    K.EXHAUSTED: frozenset({K.DIALING, K.PENDING}),
    K.BLOCKED: frozenset({K.DIALING}),
    # The customer's list may come back.
    K.CANCELED: frozenset({K.DIALING, K.PENDING}),
    # Stands for one test call, and goes nowhere.
    K.TEST: frozenset(),
}
# Those a campaign is about; a test call stands apart.
REAL_CONTACT_STATES = tuple(state for state in K if state is not K.TEST)
FINAL_CONTACT_STATES = (K.DONE, K.EXHAUSTED, K.BLOCKED, K.CANCELED)

S = TypeVar("S", AttemptState, ContactState)


def next_state(steps: Mapping[S, frozenset[S]], old: S, new: S) -> S:
    """`new`, if the table lets it follow `old`.

    Raises:
        IllegalTransition: it does not.
    """
    if new not in steps[old]:
        raise IllegalTransition(f"{old} cannot become {new}.")
    return new


def next_campaign_state(old: CampaignState, action: CampaignAction) -> CampaignState:
    """The state an action leads to.

    Raises:
        IllegalTransition: the action makes no sense in that state; the text names the ones that do.
    """
    steps = CAMPAIGN_STEPS[old]
    if action not in steps:
        allowed = ", ".join(steps) or "nothing: it is over"
        raise IllegalTransition(f"A campaign that is {old.label.lower()} cannot {action}. Possible now: {allowed}.")
    return steps[action]
