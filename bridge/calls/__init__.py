"""The one door to the rest of the platform: calls are opened, what is said in them is written, their ends recorded.

Nothing of this happens on the event loop: database work runs on a few threads of its own, each piece under a deadline,
so that one hanging statement delays no call. There is one writer per process, at most a second behind. While the
database is away calls go on: what is to be written waits, within bounds, and is tried again every second. What does not
survive the process is ended by the platform's sweeper, and its recording completed by the next bridge on the machine.
"""

from bridge.calls.desk import CallDesk, LiveEntry, broken_summary, call_desk
from bridge.calls.streams import admit, open_stream
from campaigns.errors import CallRefused
from campaigns.policies.peer_networks import may_connect
from campaigns.services.calls import OpenedCall
from campaigns.services.stream_calls import Admitted

__all__ = [
    "Admitted",
    "CallDesk",
    "CallRefused",
    "LiveEntry",
    "OpenedCall",
    "admit",
    "broken_summary",
    "call_desk",
    "may_connect",
    "open_stream",
]
