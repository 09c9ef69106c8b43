"""What a stop of all dialing does, and its end, in words."""

from __future__ import annotations


def live_in_words(live: int) -> str:
    """How many calls a stop would meet, as a sentence."""
    if not live:
        return "No call that a campaign has placed is live now."
    return f"{live:,} call{'s' * (live > 1)} that campaigns have placed {'are' if live > 1 else 'is'} live now."


def stopped_in_words(live: int, *, hangs_up: bool) -> str:
    """What came of a stop, for whoever has stopped; `live` calls were being held."""
    if not live:
        return "Nothing is dialed any more. No call was live."
    if hangs_up:
        what = "are being hung up" if live > 1 else "is being hung up"
    else:
        what = "go on to their end" if live > 1 else "goes on to its end"
    return f"Nothing is dialed any more. {live:,} live call{'s' * (live > 1)} {what}."


def lifted_in_words(lifted: int) -> str:
    """What came of lifting every stop."""
    if not lifted:
        return "No stop was in force."
    return f"{lifted:,} stop{'s were' if lifted > 1 else ' was'} lifted. Dialing goes on."
