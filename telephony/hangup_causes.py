"""Why a call ended: the Q.850 causes, and what a switch's status words mean in ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class DialResult(StrEnum):
    """How dialing a number turned out, in the words of the outcomes."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    INVALID_NUMBER = "invalid_number"
    CONGESTION = "congestion"
    MACHINE = "machine"
    FAILED = "failed"
    CANCELED = "canceled"
    BLOCKED = "blocked"


class HangupCause(IntEnum):
    """Cause codes with the names that switches of the FreeSWITCH family write.

    Source: ITU-T Q.850, table 1; names by FreeSWITCH, whose own 487 stands for a caller that gave up.
    """

    UNALLOCATED_NUMBER = 1
    NO_ROUTE_TRANSIT_NET = 2
    NO_ROUTE_DESTINATION = 3
    CHANNEL_UNACCEPTABLE = 6
    CALL_AWARDED_DELIVERED = 7
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    CALL_REJECTED = 21
    NUMBER_CHANGED = 22
    REDIRECTION_TO_NEW_DESTINATION = 23
    EXCHANGE_ROUTING_ERROR = 25
    DESTINATION_OUT_OF_ORDER = 27
    INVALID_NUMBER_FORMAT = 28
    FACILITY_REJECTED = 29
    RESPONSE_TO_STATUS_ENQUIRY = 30
    NORMAL_UNSPECIFIED = 31
    NORMAL_CIRCUIT_CONGESTION = 34
    NETWORK_OUT_OF_ORDER = 38
    NORMAL_TEMPORARY_FAILURE = 41
    SWITCH_CONGESTION = 42
    ACCESS_INFO_DISCARDED = 43
    REQUESTED_CHAN_UNAVAIL = 44
    PRE_EMPTED = 45
    FACILITY_NOT_SUBSCRIBED = 50
    OUTGOING_CALL_BARRED = 52
    INCOMING_CALL_BARRED = 54
    BEARERCAPABILITY_NOTAUTH = 57
    BEARERCAPABILITY_NOTAVAIL = 58
    SERVICE_UNAVAILABLE = 63
    BEARERCAPABILITY_NOTIMPL = 65
    CHAN_NOT_IMPLEMENTED = 66
    FACILITY_NOT_IMPLEMENTED = 69
    SERVICE_NOT_IMPLEMENTED = 79
    INVALID_CALL_REFERENCE = 81
    INCOMPATIBLE_DESTINATION = 88
    INVALID_MSG_UNSPECIFIED = 95
    MANDATORY_IE_MISSING = 96
    MESSAGE_TYPE_NONEXIST = 97
    WRONG_MESSAGE = 98
    IE_NONEXIST = 99
    INVALID_IE_CONTENTS = 100
    WRONG_CALL_STATE = 101
    RECOVERY_ON_TIMER_EXPIRE = 102
    MANDATORY_IE_LENGTH_ERROR = 103
    PROTOCOL_ERROR = 111
    INTERWORKING = 127
    ORIGINATOR_CANCEL = 487

    @property
    def result(self) -> DialResult:
        """How dialing turned out where a call ended with this cause; a cause of the network's own is `failed`."""
        return _RESULT_BY_CAUSE.get(self, DialResult.FAILED)


_RESULT_BY_CAUSE = MappingProxyType(
    {
        HangupCause.NORMAL_CLEARING: DialResult.ANSWERED,
        HangupCause.CALL_AWARDED_DELIVERED: DialResult.ANSWERED,
        HangupCause.USER_BUSY: DialResult.BUSY,
        HangupCause.NO_USER_RESPONSE: DialResult.NO_ANSWER,
        HangupCause.NO_ANSWER: DialResult.NO_ANSWER,
        HangupCause.SUBSCRIBER_ABSENT: DialResult.NO_ANSWER,
        HangupCause.RECOVERY_ON_TIMER_EXPIRE: DialResult.NO_ANSWER,
        HangupCause.CALL_REJECTED: DialResult.REJECTED,
        HangupCause.INCOMING_CALL_BARRED: DialResult.REJECTED,
        HangupCause.UNALLOCATED_NUMBER: DialResult.INVALID_NUMBER,
        HangupCause.NO_ROUTE_DESTINATION: DialResult.INVALID_NUMBER,
        HangupCause.NUMBER_CHANGED: DialResult.INVALID_NUMBER,
        HangupCause.INVALID_NUMBER_FORMAT: DialResult.INVALID_NUMBER,
        HangupCause.NORMAL_CIRCUIT_CONGESTION: DialResult.CONGESTION,
        HangupCause.SWITCH_CONGESTION: DialResult.CONGESTION,
        HangupCause.REQUESTED_CHAN_UNAVAIL: DialResult.CONGESTION,
        HangupCause.ORIGINATOR_CANCEL: DialResult.CANCELED,
        HangupCause.OUTGOING_CALL_BARRED: DialResult.BLOCKED,
    }
)


_CAUSE_BY_CODE = MappingProxyType({str(cause.value): cause for cause in HangupCause})


@dataclass(frozen=True, slots=True)
class CallStatus:
    """A switch's word in ours; `cause` is None where the word names none."""

    result: DialResult
    cause: HangupCause | None = None


# The words of TEL4VN's call records; hyphens and spaces are written as underscores here.
# Source: TEL4VN API documents, CDR fields `status`, `sip_hangup_disposition`.
_STATUS_BY_WORD = MappingProxyType(
    {
        "answered": CallStatus(DialResult.ANSWERED, HangupCause.NORMAL_CLEARING),
        "ivr": CallStatus(DialResult.ANSWERED, HangupCause.NORMAL_CLEARING),
        "busy": CallStatus(DialResult.BUSY, HangupCause.USER_BUSY),
        "busy_line": CallStatus(DialResult.BUSY, HangupCause.USER_BUSY),
        "no_answered": CallStatus(DialResult.NO_ANSWER, HangupCause.NO_ANSWER),
        "not_available": CallStatus(DialResult.NO_ANSWER, HangupCause.SUBSCRIBER_ABSENT),
        "user_not_registered": CallStatus(DialResult.NO_ANSWER, HangupCause.SUBSCRIBER_ABSENT),
        "recv_refuse": CallStatus(DialResult.REJECTED, HangupCause.CALL_REJECTED),
        "voicemail": CallStatus(DialResult.MACHINE),
        "invalid_number": CallStatus(DialResult.INVALID_NUMBER, HangupCause.UNALLOCATED_NUMBER),
        "phone_block": CallStatus(DialResult.BLOCKED),
        "congestion": CallStatus(DialResult.CONGESTION, HangupCause.NORMAL_CIRCUIT_CONGESTION),
        "cancel": CallStatus(DialResult.CANCELED, HangupCause.ORIGINATOR_CANCEL),
        "failed": CallStatus(DialResult.FAILED),
    }
)


def read_status(word: str) -> CallStatus:
    """What a switch's status word, or the name or number of a Q.850 cause, means; `failed` where it is unknown."""
    name = word.strip().lower().replace("-", "_").replace(" ", "_")
    known = _STATUS_BY_WORD.get(name)
    if known is not None:
        return known
    cause = _cause_of(name)
    return CallStatus(DialResult.FAILED) if cause is None else CallStatus(cause.result, cause)


def _cause_of(name: str) -> HangupCause | None:
    by_name = HangupCause.__members__.get(name.upper())
    if by_name is not None:
        return by_name
    return _CAUSE_BY_CODE.get(name)
