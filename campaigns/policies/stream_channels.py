"""Which legs of a call are streamed when the campaign leaves the choice to us."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.enums import App, StreamChannel

# With `bot` the customer is the one leg there is; with `dial` an extension's leg comes first, so both are streamed.
DEFAULT_CHANNELS: Mapping[App, StreamChannel] = {App.BOT: StreamChannel.MONO_A, App.DIAL: StreamChannel.STEREO}


def stream_channel(app: str, channel: str) -> StreamChannel:
    """The campaign's channel, or its app's default where it names none."""
    return StreamChannel(channel) if channel else DEFAULT_CHANNELS[App(app)]
