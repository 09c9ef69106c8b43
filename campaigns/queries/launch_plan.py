"""What a step of a campaign would do, told before it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from campaigns.enums import AttemptState, ContactState
from campaigns.models import CallAttempt, Campaign, Contact
from campaigns.policies.extension_pool import lines_of
from campaigns.policies.launch_estimate import first_round_s, in_words
from campaigns.queries.listed_customers import count_customers, entries_of, on_do_not_call_list
from campaigns.queries.preflight import preflight
from campaigns.states import CampaignAction


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One campaign and one step. `sentences` say what will happen, `problems` what stands against it."""

    campaign: Campaign
    sentences: Sequence[str]
    problems: Sequence[str]


def plan_step(campaign: Campaign, action: CampaignAction, now: datetime) -> StepPlan:
    """What the step would do to the campaign as it is now."""
    if action is CampaignAction.LAUNCH:
        problems = [problem.message for problem in preflight(campaign, now)]
        return StepPlan(campaign, _launch_sentences(campaign, now), problems)
    live = CallAttempt.objects.filter(campaign=campaign).exclude(state=AttemptState.ENDED).count()
    waiting_count = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING).count()
    waiting = f"{waiting_count:,} contacts"
    going_on = f"The {live:,} calls that are open now go on to their end." if live else "No call is open now."
    sentences = {
        CampaignAction.PAUSE: [f"Dialing stops before the next call; {waiting} keep waiting.", going_on],
        CampaignAction.RESUME: [f"Dialing goes on with {waiting} that wait."],
        CampaignAction.CANCEL: [f"The campaign ends for good; {waiting} that wait will never be dialed.", going_on],
    }
    return StepPlan(campaign, sentences.get(action, []), [])


def _launch_sentences(campaign: Campaign, now: datetime) -> list[str]:
    entries = entries_of(campaign)
    contacts = count_customers(entries)
    suppressed = on_do_not_call_list(campaign, entries, now)
    duration = first_round_s(
        contacts - suppressed,
        calls_per_second=min(campaign.calls_per_second, campaign.trunk.calls_per_second),
        max_concurrent_calls=min(
            lines_of(campaign.app, campaign.max_concurrent_calls, campaign.extensions),
            campaign.trunk.max_concurrent_calls,
        ),
    )
    sentences = [
        f"{contacts:,} customers become contacts of the campaign.",
        f"Calling everybody once takes {in_words(duration)} of open calling window.",
        f"Whoever does not answer is tried up to {campaign.max_attempts} times.",
    ]
    if suppressed:
        sentences.insert(1, f"{suppressed:,} of them are on a do-not-call list and are not dialed.")
    if campaign.starts_at and campaign.starts_at > now:
        sentences.append(f"It is scheduled: dialing begins on {campaign.starts_at:%Y-%m-%d %H:%M %Z}.")
    return sentences
