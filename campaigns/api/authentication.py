"""Bearer tokens."""

from __future__ import annotations

from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from campaigns.models import ApiToken
from campaigns.services import access

SCHEME = "Bearer"
MAX_TOKEN_CHARS = 200
FAILURES_MAX = 20
FAILURES_WINDOW_S = 60


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; sets `request.user` and, as `request.auth`, the ApiToken.

    Only failures are throttled, by address and per process: a good token always passes, so that whoever shares an
    address with a guesser (a proxy's, say) is not locked out.
    """

    def authenticate(self, request: Request) -> tuple[object, ApiToken] | None:
        """The user and token; None when there is no Authorization header at all."""
        header = get_authorization_header(request)
        if not header:
            return None
        scheme, _, plain = header.decode("latin-1").partition(" ")
        token = None
        if scheme.lower() == SCHEME.lower() and len(plain) <= MAX_TOKEN_CHARS:
            token = access.authenticate(plain.strip(), timezone.now())
        if token is None:
            _note_failure(request)
            raise AuthenticationFailed("The token is unknown or revoked. Send `Authorization: Bearer <token>`.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return SCHEME


def _note_failure(request: HttpRequest | Request) -> None:
    # X-Forwarded-For is the client's own word and is not read.
    key = f"api-auth-failures:{request.META.get('REMOTE_ADDR', '')}"
    if cache.add(key, 1, FAILURES_WINDOW_S):
        return
    try:
        failures = cache.incr(key)
    except ValueError:  # it expired between the two calls
        return
    if failures > FAILURES_MAX:
        raise Throttled(wait=FAILURES_WINDOW_S, detail="Too many unknown tokens from this address.")
