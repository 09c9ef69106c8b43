"""Which extensions of a trunk are in a call. Counted from open attempts and calls, as lines are, so none can leak."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from campaigns.enums import App, AttemptState
from campaigns.models import Call, CallAttempt, Campaign
from campaigns.policies.extension_pool import IDLE_LOOKBACK, ExtensionUse, none_free


def extension_use(trunk_id: int, now: datetime) -> ExtensionUse:
    """What the extensions of a trunk do, whichever campaigns ring them."""
    is_open = Q(ended_at=None)
    lately = CallAttempt.objects.filter(is_open | Q(ended_at__gte=now - IDLE_LOOKBACK), trunk_id=trunk_id)
    rows = lately.exclude(extension="").order_by().values_list("extension")
    used = list(rows.annotate(open=Count("pk", filter=is_open), freed_at=Max("ended_at")))
    busy = {extension for extension, calls, _ in used if calls}
    busy.update(_in_late_call(trunk_id).values_list("extension", flat=True))
    return ExtensionUse(frozenset(busy), {extension: at for extension, _, at in used if at is not None})


def busy_extensions(campaign: Campaign, now: datetime) -> list[str]:
    """The campaign's extensions that are in a call of whichever campaign, in its order; none without `dial`."""
    if campaign.app != App.DIAL:
        return []
    use = extension_use(campaign.trunk_id, now)
    return [extension for extension in campaign.extensions if extension in use.busy]


def extension_fault(campaign: Campaign, now: datetime, *, taken: str | None = None) -> str:
    """Why a call of the campaign cannot ring an extension; empty where it can, and without `dial`.

    `taken` is the one that an attempt took at its claim; None asks whether any is free.
    """
    if campaign.app != App.DIAL:
        return ""
    if taken is None:
        return none_free(campaign.extensions, extension_use(campaign.trunk_id, now))
    if taken not in campaign.extensions:
        return "The extension is no longer one of the campaign's."
    # No other open attempt can have it: the unique index sees to that.
    is_talking = _in_late_call(campaign.trunk_id).filter(extension=taken).exists()
    return f"Extension {taken} is talking; it is free when its call ends." if is_talking else ""


def _in_late_call(trunk_id: int) -> QuerySet[CallAttempt]:
    """Attempts whose call came after their deadline, and goes on."""
    live = Call.objects.filter(ended_at=None, attempt__trunk_id=trunk_id, attempt__state=AttemptState.ENDED)
    return CallAttempt.objects.filter(pk__in=live.values("attempt")).exclude(extension="")
