"""API tokens: made once, shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from campaigns.enums import Role
from campaigns.models import ApiToken

SCHEME = "tl"
PREFIX_BYTES = 4
SECRET_BYTES = 32
# A token that is used all the time must not cost a write a request.
LAST_USED_STEP = timedelta(minutes=1)


def digest_of(plain: str) -> str:
    """The hex SHA-256 that stands in the table. The secret is 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def create_token(user: User, role: Role, name: str = "") -> tuple[ApiToken, str]:
    """A new token of `user` and its plain text, which is kept nowhere and cannot be shown again."""
    prefix = f"{SCHEME}_{secrets.token_hex(PREFIX_BYTES)}"
    plain = f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    token = ApiToken.objects.create(user=user, role=Role(role), name=name, prefix=prefix, digest=digest_of(plain))
    return token, plain


def authenticate(plain: str, now: datetime) -> ApiToken | None:
    """The live token of an active user whose text is `plain`, with its user loaded; None: there is none.

    Notes the use, at most once a minute.
    """
    token = (
        ApiToken.objects.select_related("user")
        .filter(digest=digest_of(plain), revoked_at=None, user__is_active=True)
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at >= LAST_USED_STEP:
        is_stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
        ApiToken.objects.filter(is_stale, pk=token.pk).update(last_used_at=now)
        token.last_used_at = now
    return token


def revoke_token(token_id: int, *, now: datetime) -> bool:
    """End a token for good. False: it was revoked before, or does not exist."""
    return ApiToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=now) == 1


@transaction.atomic
def ensure_user(username: str) -> tuple[User, bool]:
    """The user of that name, and whether it was made now; a new one has no usable password and no rights of its own.

    Raises:
        ValidationError: the name is none a user may have.
    """
    # Before the look-up: PostgreSQL cannot even be asked for some texts.
    User._meta.get_field("username").clean(username, None)
    found = User.objects.filter(username=username).first()
    if found is not None:
        return found, False
    user = User(username=username)
    user.set_unusable_password()
    user.save()
    return user, True
