"""What stands against launching a campaign, each thing with the field to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from campaigns.enums import AgentKind, App, StreamChannel, TrunkHold
from campaigns.models import Campaign, ListEntry
from campaigns.policies.cadence import parse_cadence
from campaigns.policies.calling_window import parse_window
from campaigns.policies.extension_pool import read_extensions
from campaigns.policies.parameter_template import parse_template
from campaigns.queries.calling_rules import dnc_fault, dnc_oldest_at, rules_of, window_of
from telephony.errors import LocalProtocolError
from telephony.psr.payloads import AudioFile


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason against a launch: the campaign's field and what to do."""

    field: str
    message: str


def preflight(campaign: Campaign, now: datetime) -> list[Problem]:
    """Every reason against launching the campaign as it is; empty if it can be launched."""
    return [*(problem for check in _CHECKS for problem in check(campaign)), *_check_rules(campaign, now)]


def _check_trunk(campaign: Campaign) -> Iterator[Problem]:
    trunk = campaign.trunk
    if not trunk.is_enabled:
        yield Problem("trunk", f"The trunk “{trunk.name}” is disabled. Enable it or choose another.")
    if not (trunk.base_url and trunk.token):
        yield Problem("trunk", f"The trunk “{trunk.name}” has no address or no token. Set both.")
    if trunk.hold != TrunkHold.NONE:
        yield Problem("trunk", f"The trunk “{trunk.name}” is held: {TrunkHold(trunk.hold).label}. Release it first.")


def _check_public_url(_: Campaign) -> Iterator[Problem]:
    if not settings.PUBLIC_WS_URL.startswith(("ws://", "wss://")):
        yield Problem("trunk", "PUBLIC_WS_URL is not set: the switch would not know where to bring the call.")


def _check_lists(campaign: Campaign) -> Iterator[Problem]:
    lists = list(campaign.customer_lists.all())
    if not lists:
        yield Problem("customer_lists", "Choose at least one customer list.")
    elif not ListEntry.objects.filter(list__in=lists).exists():
        yield Problem("customer_lists", "The chosen lists are empty. Import customers first.")


def _check_template(campaign: Campaign) -> Iterator[Problem]:
    try:
        template = parse_template(campaign.parameter_template)
    except ValueError as error:
        yield Problem("parameter_template", str(error))
        return
    for customer_list in campaign.customer_lists.all():
        missing = template.missing_columns(customer_list.columns)
        if missing:
            yield Problem("parameter_template", f"The list “{customer_list.name}” has no column {', '.join(missing)}.")


def _check_app(campaign: Campaign) -> Iterator[Problem]:
    if campaign.app == App.DIAL:
        yield from _parsed("extensions", read_extensions, campaign.extensions)
        if not campaign.extensions:
            yield Problem("extension", "With dial, an extension of 2 to 6 digits must be rung first.")
    if campaign.agent.kind == AgentKind.LISTENER:
        yield from _check_listener(campaign)
    if campaign.app == App.BOT and not campaign.is_silence:
        yield from _check_audio_file(settings.DATA_DIR / "prompts" / campaign.audio_file)


def _check_listener(campaign: Campaign) -> Iterator[Problem]:
    if campaign.app != App.DIAL:
        yield Problem("agent", "The agent only listens: with bot the customer would hear nothing. Choose dial.")
    elif campaign.channel == StreamChannel.MONO_A:
        text = "The listener would hear the extension alone and take it for the customer. Leave the channel empty."
        yield Problem("channel", text)


def _check_audio_file(path: Path) -> Iterator[Problem]:
    try:
        AudioFile(path.name, path.read_bytes())
    except OSError:
        yield Problem("audio_file", "Upload the audio to play at answer, or choose silence.")
    except LocalProtocolError as error:
        yield Problem("audio_file", f"PSR cannot play the audio at answer: {error}. Upload another, or choose silence.")


def _check_window(campaign: Campaign) -> Iterator[Problem]:
    window = yield from _parsed("calling_window", parse_window, campaign.calling_window)
    if window is not None and window.is_never_open:
        yield Problem("calling_window", "The calling window is never open. Add hours to at least one day.")


def _check_cadence(campaign: Campaign) -> Iterator[Problem]:
    yield from _parsed("cadence", parse_cadence, campaign.cadence)


def _check_rules(campaign: Campaign, now: datetime) -> Iterator[Problem]:
    """What the rule profile asks for beyond the campaign's own fields."""
    rules = rules_of(campaign, now)
    window = window_of(campaign, now)
    if window.is_never_open and any(window.ranges):
        yield Problem("calling_window", f"No hour of it lies within those of the calling rules {rules.profile}.")
    if fault := dnc_fault(rules, dnc_oldest_at() if rules.dnc_max_age_days else None, now):
        yield Problem("rule_profile", fault)
    if rules.needs_consent:
        yield from _check_consent(campaign, rules.profile)


def _check_consent(campaign: Campaign, profile: str) -> Iterator[Problem]:
    name = campaign.consent_attribute
    if not name:
        yield Problem("consent_attribute", f"The calling rules {profile} need consent: name the column that says so.")
        return
    for customer_list in campaign.customer_lists.all():
        if name not in customer_list.columns:
            yield Problem("consent_attribute", f"The list “{customer_list.name}” has no column {name}.")


def _parsed(field: str, parse: Callable[[Any], Any], raw: Any) -> Any:
    try:
        return parse(raw)
    except ValueError as error:
        yield Problem(field, str(error))
        return None


_CHECKS: tuple[Callable[[Campaign], Iterator[Problem]], ...] = (
    _check_trunk,
    _check_public_url,
    _check_lists,
    _check_template,
    _check_app,
    _check_window,
    _check_cadence,
)
