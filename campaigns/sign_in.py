"""Signing in by name and password, for the admin and the pages: who guesses has to wait, and is told how long.

Failures are counted by name and address, and by address, per process and for fifteen minutes from the first. A name
that nobody has is counted like any other, so that nothing is learned from being refused.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AuthenticationForm as AdminAuthenticationForm

log = logging.getLogger(__name__)

# Source: reliability X7.
WINDOW: Final = timedelta(minutes=15)
BY_NAME_MAX: Final = 5
BY_ADDRESS_MAX: Final = 50


class _Slowed(AuthenticationForm):
    """The form of whoever asks, until it was wrong too often."""

    @property
    def is_slowed(self) -> bool:
        """Whether it was refused for what came before it."""
        return self.has_error("__all__", "slowed")

    def clean(self) -> dict[str, Any]:
        now = timezone.now()
        address = self.request.META.get("REMOTE_ADDR", "") if self.request is not None else ""
        named = _key(address, str(self.cleaned_data.get("username", "")).casefold())
        limits = ((named, BY_NAME_MAX), (_key(address), BY_ADDRESS_MAX))
        wait = max(_wait(key, most, now) for key, most in limits)
        if wait:
            # The password is not looked at: a right one would pass no earlier than a wrong one.
            minutes = -(-wait // timedelta(minutes=1))
            raise ValidationError(
                f"Too many failed sign-ins. Try again in {minutes} minute{'s' if minutes > 1 else ''}.", code="slowed"
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            log.info("sign_in_failed")
            for key, _ in limits:
                _count(key, now)
            raise
        cache.delete(named)
        return cleaned


class SignInForm(_Slowed):
    """For the pages."""


class AdminSignInForm(_Slowed, AdminAuthenticationForm):  # type: ignore[misc]  # unfold has no types
    """For the admin, which lets only staff in."""


def _wait(key: str, most: int, now: datetime) -> timedelta:
    failures, ends_at = cache.get(key, (0, now))
    return max(timedelta(0), ends_at - now) if failures >= most else timedelta(0)


def _count(key: str, now: datetime) -> None:
    failures, ends_at = cache.get(key, (0, now + WINDOW))
    cache.set(key, (failures + 1, ends_at), timeout=max(1.0, (ends_at - now).total_seconds()))


def _key(*parts: str) -> str:
    return "sign-in:" + hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
