"""What a campaign's state no longer lets anybody change, told in words in the place of its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from unfold.decorators import display

from campaigns.admin.base import in_lines
from campaigns.admin.parameter_field import pairs_of
from campaigns.models import Campaign
from campaigns.policies.cadence import parse_cadence
from campaigns.policies.cadence_text import cadence_in_words
from campaigns.policies.calling_window import parse_window
from campaigns.policies.window_text import window_in_words


class SettledShown:
    """The part of a campaign's admin that shows settled fields (`campaign_form.IN_WORDS`)."""

    @display(description="Extensions")
    def show_extensions(self, campaign: Campaign) -> str:
        return ", ".join(campaign.extensions) or "–"

    @display(description="Calling window")
    def show_window(self, campaign: Campaign) -> str:
        return _lines(lambda: window_in_words(parse_window(campaign.calling_window)))

    @display(description="Waits before the next try")
    def show_cadence(self, campaign: Campaign) -> str:
        return _lines(lambda: cadence_in_words(parse_cadence(campaign.cadence)))

    @display(description="Parameters")
    def show_parameters(self, campaign: Campaign) -> str:
        return _lines(lambda: [f"{name}: {text}" for name, text in pairs_of(campaign.parameter_template)])

    @display(description="Audio at answer")
    def show_audio(self, campaign: Campaign) -> str:
        return "Uploaded" if campaign.audio_file else "–"


def _lines(tell: Callable[[], Iterable[str]]) -> str:
    """Lines below each other; why there are none, where what is stored cannot be read."""
    try:
        lines = list(tell())
    except ValueError as error:
        lines = [str(error)]
    return in_lines(lines)
