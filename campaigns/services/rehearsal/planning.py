"""From a campaign to the report of its rehearsal: what is copied, how it is divided, and who is at the other end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import Any, Final

from django.conf import settings

from campaigns.enums import CampaignState, CanaryState
from campaigns.models import Campaign, Trunk
from campaigns.policies.eligibility import Gate
from campaigns.policies.rehearsed_calls import (
    Odds,
    assumed_odds,
    fate_by_number,
    odds_of_past,
    odds_of_shares,
)
from campaigns.queries.approvals import needs_approval
from campaigns.queries.preflight import preflight
from campaigns.queries.rehearsal_source import RehearsalSource, past_calls, rehearsal_source
from campaigns.services import campaigns
from campaigns.services.contact_filling import fill_block
from campaigns.services.rehearsal.playing import FateOf, Playback, Player, Told
from campaigns.services.rehearsal.report import (
    Assumption,
    RehearsalReport,
    Sample,
    assumption_of,
    report_playback,
    report_problems,
)
from campaigns.services.rehearsal.scratch import fill_scratch, scratch_database
from telephony.simulator.behaviour_table import TABLE

# A call costs about sixty statements of the real services: so many contacts take half a minute or so.
LIMIT: Final = 500
LONGEST: Final = timedelta(days=60)
# Fewer lines than this are not divided: rounding them would tell another campaign.
DIVIDED_LINES_MIN: Final = 10
# Where no request could ever arrive.
NOWHERE: Final = "https://rehearsal.invalid"
NEW: Final[Mapping[str, Any]] = {
    "state": CampaignState.DRAFT,
    "starts_at": None,
    "launched_at": None,
    "contacts_filled_to": 0,
    "contacts_filled_at": None,
    "lists_followed_to": None,
    "finished_at": None,
    "archived_at": None,
    "share_used": 0,
    "bucket_tokens": 0,
    "bucket_at": None,
    "canary_state": CanaryState.NONE,
    "canary_since": None,
}


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """How a campaign is rehearsed.

    `begin` None: now, or when it is to start; `until` None: sixty days after it. `limit` is how many contacts are
    played at most. `shares` are weights of behaviours of the simulator's table; empty: as calls have gone lately, or as
    the forecast assumes. `answer_rate` (0 to 1) and `talk_s` (the mean) replace what these say, and
    `is_by_number` lets each number's last digits decide, as the simulator does.
    """

    begin: datetime | None = None
    until: datetime | None = None
    seed: int = 1
    limit: int | None = LIMIT
    answer_rate: float | None = None
    talk_s: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    is_by_number: bool = False


@dataclass(frozen=True, slots=True)
class _People:
    """Who is at the other end."""

    fate_of: FateOf
    odds: Odds
    assumption: Assumption


@dataclass(frozen=True, slots=True)
class _Divided:
    """A campaign's limits for the part of it that is played."""

    campaign: Mapping[str, Any]
    trunk: Mapping[str, Any]
    bridge_calls: int
    sample: Sample
    lines_gate: Gate


def rehearse(
    campaign_id: int, plan: RehearsalPlan, *, now: datetime, told: Told = lambda _at, _calls: None
) -> RehearsalReport:
    """How the campaign would go. Reads the database and changes nothing in it; no byte leaves the process.

    `told` is called with the virtual time and the calls placed so far, at every tick.

    Raises:
        Campaign.DoesNotExist: there is no such campaign.
        ValueError: the plan's shares, rate or time cannot be played; the text says why.
    """
    campaign = Campaign.objects.select_related("trunk", "agent").get(pk=campaign_id)
    dice = Random(plan.seed)
    source = rehearsal_source(campaign, now, limit=plan.limit, dice=dice)
    people = _people(campaign, plan)
    begin = _begin(campaign, source, plan, now)
    divided = _divided(campaign, source, people.odds)
    problems = [] if source.is_begun else [problem.message for problem in preflight(campaign, begin)]
    if not source.played and not problems:
        problems = ["Nobody waits in it to be called."]
    if problems:
        return report_problems(campaign, begin, plan.seed, divided.sample, people.assumption, problems)
    notes = _notes(campaign, source)
    with scratch_database():
        fill_scratch(source.rows, bridge_calls=divided.bridge_calls, now=begin)
        _set_off(campaign, source, divided, begin)
        player = Player(campaign_id, people.fate_of, begin=begin, seed=plan.seed, told=told)
        playback = player.play(plan.until or begin + LONGEST)
        if divided.sample.is_paced_by_lines:
            _tell_lines(playback, divided.lines_gate)
        return report_playback(
            campaign_id,
            playback,
            begin=begin,
            seed=plan.seed,
            sample=divided.sample,
            assumption=people.assumption,
            notes=notes,
        )


def _begin(campaign: Campaign, source: RehearsalSource, plan: RehearsalPlan, now: datetime) -> datetime:
    starts_at = None if source.is_begun else campaign.starts_at
    begin = plan.begin or max(now, starts_at or now)
    if plan.until is not None and plan.until <= begin:
        raise ValueError("The rehearsal must end after it begins.")
    return begin.replace(microsecond=0)


def _people(campaign: Campaign, plan: RehearsalPlan) -> _People:
    if plan.is_by_number:
        odds = odds_of_shares({row.behaviour.name: row.last - row.first + 1 for row in TABLE})
        return _People(fate_by_number, odds, assumption_of("the last two digits of each number", odds))
    if plan.shares:
        odds, source = odds_of_shares(plan.shares), "the shares that were given"
    elif past := past_calls(campaign):
        odds, source = odds_of_past(past), f"{len(past)} calls of the campaign, or of the latest one on its trunk"
    else:
        odds, source = assumed_odds(), "an assumption: there are not enough calls to learn from"
    if plan.answer_rate is not None:
        odds = odds.with_answer_rate(plan.answer_rate)
    if plan.talk_s is not None:
        odds = odds.with_talk_s(plan.talk_s)
    return _People(lambda _destination, _nth, dice: odds.draw(dice), odds, assumption_of(source, odds))


def _divided(campaign: Campaign, source: RehearsalSource, odds: Odds) -> _Divided:
    trunk = campaign.trunk
    bridge_calls = source.bridge_calls or settings.MAX_CALLS_PER_PROCESS
    limits = {
        Gate.CAMPAIGN_LINES: campaign.max_concurrent_calls,
        Gate.TRUNK_LINES: trunk.max_concurrent_calls,
        Gate.BRIDGE: bridge_calls,
    }
    gate = min(limits, key=lambda each: limits[each])
    lines, pace = limits[gate], min(campaign.calls_per_second, trunk.calls_per_second)
    sample = Sample(source.contacts, source.played, lines, ceil(pace))
    factor = sample.factor
    if factor == 1:
        return _Divided({}, {}, bridge_calls, sample, gate)
    paces = {"calls_per_second": campaign.calls_per_second / factor}
    trunk_paces = {"calls_per_second": trunk.calls_per_second / factor}
    if lines / factor >= DIVIDED_LINES_MIN:
        return _Divided(
            {**paces, "max_concurrent_calls": round(campaign.max_concurrent_calls / factor)},
            {**trunk_paces, "max_concurrent_calls": round(trunk.max_concurrent_calls / factor)},
            round(bridge_calls / factor),
            sample,
            gate,
        )
    ring_s = settings.RING_TIMEOUT_S if campaign.ring_timeout_s is None else campaign.ring_timeout_s
    # Little's law: what so many lines can begin in a second, given how long one call holds a line.
    carried = lines / odds.line_s(ring_s + settings.RING_GRACE_S)
    is_bound = carried < pace
    paces["calls_per_second"] = min(campaign.calls_per_second, carried) / factor
    sample = Sample(source.contacts, source.played, lines, ceil(pace), is_paced_by_lines=is_bound)
    return _Divided(paces, trunk_paces, bridge_calls, sample, gate)


def _set_off(campaign: Campaign, source: RehearsalSource, divided: _Divided, begin: datetime) -> None:
    """Let the campaign begin, or go on, in the scratch database as it would in the real one."""
    trunk = {**divided.trunk, "base_url": NOWHERE, "tenant": "", "allowed_networks": []}
    if campaign.trunk.token:
        trunk["token"] = "rehearsal"  # noqa: S105  no token: nothing is sent
    Trunk.objects.filter(pk=campaign.trunk_id).update(**trunk)
    # Somebody will have approved it.
    new = {} if source.is_begun else {**NEW, "approved_at": begin}
    if source.is_begun and campaign.canary_state == CanaryState.RUNNING:
        new["canary_since"] = begin
    Campaign.objects.filter(pk=campaign.pk).update(**new, **divided.campaign)
    if not source.is_begun:
        campaigns.launch(campaign.pk, now=begin)
        while fill_block(campaign.pk, now=begin):
            pass
    elif campaign.state == CampaignState.PAUSED:
        campaigns.resume(campaign.pk, now=begin)


def _tell_lines(playback: Playback, gate: Gate) -> None:
    """Call the pace that stood for the lines by their name."""
    for paced in (Gate.CAMPAIGN_PACE, Gate.TRUNK_PACE):
        playback.spent_s[gate] += playback.spent_s.pop(paced, 0.0)


def _notes(campaign: Campaign, source: RehearsalSource) -> list[str]:
    others = Campaign.objects.filter(trunk=campaign.trunk, state=CampaignState.RUNNING).exclude(pk=campaign.pk).count()
    notes = []
    if others:
        notes.append(f"{others} other running campaigns share the trunk. They were not played, and slow this one down.")
    if not source.is_begun and needs_approval(campaign):
        notes.append("It needs the approval of a second manager before it can be launched.")
    if campaign.state == CampaignState.PAUSED:
        notes.append("It is paused. It was played as if it were resumed.")
    if source.bridge_calls is None:
        notes.append(f"No bridge is running; one that holds {settings.MAX_CALLS_PER_PROCESS} calls was assumed.")
    return notes
