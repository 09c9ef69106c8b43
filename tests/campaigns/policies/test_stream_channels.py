"""Which legs are streamed, and on which side the customer is."""

from __future__ import annotations

import pytest

from campaigns.enums import App, StreamChannel
from campaigns.policies.stream_channels import customer_side, stream_channel
from telephony.protocols.events import Side


@pytest.mark.parametrize(
    ("app", "chosen", "streamed"),
    [
        (App.BOT, "", StreamChannel.MONO_A),
        (App.DIAL, "", StreamChannel.STEREO),
        *((app, channel, channel) for app in App for channel in StreamChannel),
    ],
)
def test_the_campaigns_channel_goes_before_its_apps(app, chosen, streamed):
    assert stream_channel(app, chosen) == streamed


@pytest.mark.parametrize(
    ("app", "bot_side", "side"),
    [
        (App.BOT, Side.LEFT, Side.LEFT),
        (App.BOT, Side.RIGHT, Side.RIGHT),
        (App.DIAL, Side.LEFT, Side.RIGHT),
        (App.DIAL, Side.RIGHT, Side.LEFT),
    ],
)
def test_the_customer_is_the_other_side_where_an_extension_comes_first(app, bot_side, side):
    assert customer_side(app, bot_side) is side
