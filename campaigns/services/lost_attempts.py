"""Attempts whose row is gone: the database was set back to before their marker, and the call they placed arrives.

The token is signed by us and says which contact was dialed, so that the row can be made anew and nobody dials again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings

from campaigns.enums import AttemptState
from campaigns.models import AttemptLog, CallAttempt, CampaignEvent, Contact
from campaigns.policies.call_tokens import CallTokenClaims
from campaigns.services.contacts import hold_contact

log = logging.getLogger(__name__)

RECOVERED = "orphan_recovered"


def recover_attempt(
    claims: CallTokenClaims, *, token_digest: str, switch_call_id: str, now: datetime
) -> CallAttempt | None:
    """The attempt of a token that has none, in its call; None where its contact is gone as well. In a transaction.

    Raises:
        IntegrityError: the contact, or its number, is being dialed once more, or the call_id is another attempt's.
    """
    contact = Contact.objects.select_related("campaign").filter(pk=claims.contact_id).first()
    if contact is None:
        log.warning("call_for_lost_attempt", extra={"attempt_id": str(claims.attempt_id)})
        return None
    is_number_taken = CallAttempt.objects.filter(contact=contact, number=claims.number).exists()
    rung = CallAttempt.objects.filter(trunk_id=contact.campaign.trunk_id, extension=claims.extension)
    # That it rings for somebody else already is no reason to turn this call away.
    is_extension_taken = rung.exclude(state=AttemptState.ENDED).exists()
    attempt = CallAttempt.objects.create(
        pk=claims.attempt_id,
        contact=contact,
        campaign=contact.campaign,
        trunk_id=contact.campaign.trunk_id,
        phone_number=contact.phone_number,
        extension="" if is_extension_taken else claims.extension,
        number=None if is_number_taken else claims.number,
        state=AttemptState.IN_CALL,
        reason=RECOVERED,
        posts=1,
        token_digest=token_digest,
        token_used_at=now,
        switch_call_id=switch_call_id,
        deadline_at=now + timedelta(seconds=settings.MAX_CALL_S + settings.CALL_LOST_S),
        claimed_at=now,
        dispatched_at=now,
        answered_at=now,
    )
    AttemptLog.objects.create(attempt=attempt, at=now, to_state=AttemptState.IN_CALL, reason=RECOVERED)
    hold_contact(contact.pk, now=now)
    log.error(RECOVERED, extra={"attempt_id": str(attempt.pk)})
    CampaignEvent.objects.create(
        campaign=contact.campaign,
        at=now,
        kind=RECOVERED,
        message="A call arrived whose attempt the database had lost; it was taken up again.",
        details={"attempt_id": str(attempt.pk)},
    )
    return attempt
