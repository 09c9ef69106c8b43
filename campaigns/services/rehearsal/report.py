"""What a rehearsal has shown, as values: counted in the scratch database, told for the whole campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from math import inf
from typing import Any, Final

from django.utils import timezone

from campaigns.enums import CampaignState, ContactState
from campaigns.models import Call, CallAttempt, Campaign, CampaignEvent, Contact
from campaigns.policies.eligibility import Gate
from campaigns.policies.rehearsed_calls import Odds
from campaigns.queries.blockers import CLOSED_LABELS, WAIT_LABELS, blockers
from campaigns.services.rehearsal.playing import DIALING, TALKING, UNKNOWN, Playback

# Lengths of the stretches of time a report is cut into: the first that makes no more of them than so many.
STRETCHES_S: Final = (60, 300, 900, 3_600, 14_400, 86_400, 604_800)
STRETCHES_MAX: Final = 48
LOG_LINES: Final = 30
# Of a closed gate where neither a wait nor a place in a queue says it already.
REFUSAL_LABELS: Mapping[Gate, str] = {
    Gate.CAMPAIGN: "The campaign is not running",
    Gate.TRUNK_DISABLED: "The trunk is disabled or has no token",
    Gate.NUMBER_CHANGED: "The number is not the contact's any more",
    Gate.NUMBER_CLASS: "The number must not be dialed",
    Gate.COUNTRY: "The number is in a country that is not allowed",
    Gate.SUPPRESSED: "The number is on a do-not-call list",
    Gate.CONSENT: "The customer has not consented",
    Gate.MAX_ATTEMPTS: "No attempts are left",
    Gate.CONTACT: "The contact waits for no call",
    Gate.NOT_DUE: "The contact is not due yet",
    Gate.BRIDGE: "No bridge can take the call",
    Gate.DIALER: "The dial worker takes no messages",
    Gate.CLOCK: "The dial workers' clocks differ from the database's",
}
TIME_LABELS: Final[Mapping[str, str]] = {
    DIALING: "Calls are being placed",
    TALKING: "Everybody who waits is in a call",
    UNKNOWN: "Waiting, for nothing that is known",
    Gate.NOT_DUE: "Nobody is due: waiting for the next try",
    Gate.CAMPAIGN_PACE: "Calls are placed at the campaign's pace",
    Gate.TRUNK_PACE: "Calls are placed at the trunk's pace",
}
_GATES: Final = frozenset(Gate)


@dataclass(frozen=True, slots=True)
class Sample:
    """How much was played: `played` of `contacts`, so that one stands for `factor`.

    Lines and pace were divided by the factor. `is_paced_by_lines` says that the lines were too few to be divided: what
    they can carry on average was played as a pace. `lines_max` and `second_max` are the undivided limits.
    """

    contacts: int
    played: int
    lines_max: int
    second_max: int
    is_paced_by_lines: bool = False

    @property
    def factor(self) -> float:
        return self.contacts / self.played if self.played else 1.0


@dataclass(frozen=True, slots=True)
class Assumption:
    """What was taken for granted of the people: where from, how many answer, and how long they talk."""

    source: str
    answer_rate: float
    talk_s: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A length of time: calls placed and answered in it, and the most lines in use at once."""

    begin: datetime
    calls: int
    answered: int
    lines: int


@dataclass(frozen=True, slots=True)
class Undone:
    """Contacts that still wait at the end, and for what."""

    code: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """A campaign as it would go. Counts are of the whole campaign, scaled up where only a part was played.

    `finish_at` is None where it does not finish within the rehearsal, and `problems` say why it was not even begun.
    `refusals` counts by gate what was claimed and then refused, `put_off` whom the tick found outside the window.
    `time_s` says what the time went to: dialing, or waiting for the gate that is named.
    """

    campaign: str
    begin: datetime
    end: datetime
    finish_at: datetime | None
    state: str
    seed: int
    sample: Sample
    assumption: Assumption
    problems: Sequence[str] = ()
    calls: int = 0
    answered: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    dispositions: Mapping[str, int] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    contacts: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    put_off: Mapping[str, int] = field(default_factory=dict)
    busiest_lines: int = 0
    busiest_second: int = 0
    time_s: Mapping[str, int] = field(default_factory=dict)
    stretches: Sequence[Stretch] = ()
    undone: Sequence[Undone] = ()
    log: Sequence[str] = ()
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON; moments in ISO 8601."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def report_problems(
    campaign: Campaign, begin: datetime, seed: int, sample: Sample, assumption: Assumption, problems: Sequence[str]
) -> RehearsalReport:
    """The report of a campaign that could not even be launched."""
    return RehearsalReport(
        campaign=campaign.name,
        begin=begin,
        end=begin,
        finish_at=None,
        state=campaign.state,
        seed=seed,
        sample=sample,
        assumption=assumption,
        problems=problems,
    )


def report_playback(
    campaign_id: int,
    playback: Playback,
    *,
    begin: datetime,
    seed: int,
    sample: Sample,
    assumption: Assumption,
    notes: Sequence[str],
) -> RehearsalReport:
    """Count what the scratch database holds after the rehearsal."""
    campaign = Campaign.objects.get(pk=campaign_id)
    whole = _Whole(sample.factor)
    made = list(CallAttempt.objects.filter(campaign=campaign, claimed_at__gte=begin).order_by("claimed_at"))
    placed = [attempt for attempt in made if attempt.dispatched_at is not None]
    refused = [attempt.reason for attempt in made if attempt.dispatched_at is None and attempt.ended_at is not None]
    ended_at = campaign.finished_at if campaign.state == CampaignState.FINISHED else None
    end = ended_at or playback.ended_at
    spoken = Call.objects.filter(attempt__campaign=campaign, started_at__gte=begin).exclude(disposition="")
    contacts = Contact.objects.filter(campaign=campaign).exclude(state=ContactState.TEST)
    log = CampaignEvent.objects.filter(campaign=campaign, at__gte=begin).order_by("pk")[:LOG_LINES]
    return RehearsalReport(
        campaign=campaign.name,
        begin=begin,
        end=end,
        finish_at=ended_at,
        state=campaign.state,
        seed=seed,
        sample=sample,
        assumption=assumption,
        calls=whole.of(len(placed)),
        answered=whole.of(sum(attempt.answered_at is not None for attempt in placed)),
        outcomes=whole.counts(attempt.outcome for attempt in placed if attempt.outcome),
        dispositions=whole.counts(spoken.values_list("disposition", flat=True)),
        tries=whole.counts(str(attempt.number) for attempt in placed if attempt.number),
        contacts=whole.counts(contacts.values_list("state", flat=True)),
        refusals=whole.counts(refused),
        put_off=whole.counts(playback.put_off.elements()),
        busiest_lines=whole.of(max(lines for _, lines in _lines(placed)) if placed else 0, sample.lines_max),
        busiest_second=whole.of(_busiest_second(placed), sample.second_max),
        time_s={code: round(spent_s) for code, spent_s in _largest_first(playback.spent_s) if round(spent_s)},
        stretches=_stretches(placed, begin, end, whole, sample.lines_max),
        undone=[
            Undone(blocker.code, blocker.label, whole.of(blocker.count))
            for blocker in blockers(campaign, end)
            if ended_at is None
        ],
        log=[f"{timezone.localtime(line.at):%Y-%m-%d %H:%M:%S} {line.message}" for line in log],
        notes=notes,
    )


def label_of(code: str) -> str:
    """What a code of `refusals`, `put_off` or `time_s` stands for, in words."""
    if code in TIME_LABELS:
        return TIME_LABELS[code]
    if code not in _GATES:
        return code
    gate = Gate(code)
    return CLOSED_LABELS.get(gate) or WAIT_LABELS.get(gate) or REFUSAL_LABELS[gate]


@dataclass(frozen=True, slots=True)
class _Whole:
    """Counts of what was played, told for the whole campaign."""

    factor: float

    def of(self, played: int, most: float = inf) -> int:
        """`most` bounds what chance makes too large in a small part: a limit that the whole keeps."""
        return played if self.factor == 1 else round(min(played * self.factor, most))

    def counts(self, values: Iterator[str] | Any) -> dict[str, int]:
        return {value: self.of(count) for value, count in _largest_first(Counter(values))}


def _largest_first(counts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _lines(placed: Sequence[CallAttempt]) -> Iterator[tuple[datetime, int]]:
    """How many lines are in use from each moment at which that changes; a line is taken from the claim on."""
    changes = [(attempt.claimed_at, 1) for attempt in placed]
    changes += [(attempt.ended_at, -1) for attempt in placed if attempt.ended_at is not None]
    lines = 0
    for at, change in sorted(changes):
        lines += change
        yield at, lines


def _busiest_second(placed: Sequence[CallAttempt]) -> int:
    seconds = Counter(attempt.dispatched_at.replace(microsecond=0) for attempt in placed if attempt.dispatched_at)
    return max(seconds.values(), default=0)


def _stretches(
    placed: Sequence[CallAttempt], begin: datetime, end: datetime, whole: _Whole, lines_max: int
) -> list[Stretch]:
    """The time in equal stretches, those left out in which nothing was placed and no line in use."""
    length_s = next(
        (each for each in STRETCHES_S if (end - begin).total_seconds() / each <= STRETCHES_MAX), STRETCHES_S[-1]
    )
    # From midnight there on, so that they begin at whole hours.
    first = timezone.localtime(begin).replace(hour=0, minute=0, second=0)

    def nth(at: datetime) -> int:
        return int((at - first).total_seconds() // length_s)

    calls, answered, lines = Counter[int](), Counter[int](), Counter[int]()
    for attempt in placed:
        place = nth(attempt.dispatched_at or attempt.claimed_at)
        calls[place] += 1
        answered[place] += attempt.answered_at is not None
    for at, used in _lines(placed):
        lines[nth(at)] = max(lines[nth(at)], used)
    return [
        Stretch(
            timezone.localtime(first + timedelta(seconds=place * length_s)),
            whole.of(calls[place]),
            whole.of(answered[place]),
            whole.of(lines[place], lines_max),
        )
        for place in sorted(calls.keys() | {place for place, used in lines.items() if used})
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def assumption_of(source: str, odds: Odds) -> Assumption:
    """What the odds take for granted."""
    return Assumption(source, round(odds.answer_rate, 4), round(odds.talk_s, 1))
