"""Which legs of a call are streamed when the campaign leaves the choice to us, and which of them is the customer's."""

from __future__ import annotations

from collections.abc import Mapping

from campaigns.enums import App, StreamChannel
from telephony.protocols.events import Side

# With `bot` the customer is the one leg there is; with `dial` an extension's leg comes first, so both are streamed.
DEFAULT_CHANNELS: Mapping[App, StreamChannel] = {App.BOT: StreamChannel.MONO_A, App.DIAL: StreamChannel.STEREO}


def stream_channel(app: str, channel: str) -> StreamChannel:
    """The campaign's channel, or its app's default where it names none."""
    return StreamChannel(channel) if channel else DEFAULT_CHANNELS[App(app)]


def customer_side(app: str, bot_side: Side) -> Side:
    """The side of a stereo stream that carries the customer; `bot_side` is where the switch puts them with `bot`.

    With `bot` the customer is the A leg. With `dial` the A leg is the extension, which is rung first, and the customer
    the other one. Source: vendor-docs/psr-3-create-stream, `app`.
    """
    if App(app) is App.BOT:
        return bot_side
    return Side.RIGHT if bot_side is Side.LEFT else Side.LEFT
