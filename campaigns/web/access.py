"""Who may see and do what on the pages.

A person's roles are the groups named after `Role`; a superuser is a manager. Someone without a role may read, with
phone numbers masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache

from campaigns.enums import Role
from campaigns.states import CampaignAction

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

# Who may press which button. FINISH is the dialer's own step and no button.
ROLES_FOR: Mapping[CampaignAction, frozenset[Role]] = {
    CampaignAction.LAUNCH: frozenset({Role.MANAGER}),
    CampaignAction.PAUSE: frozenset({Role.MANAGER, Role.SUPERVISOR}),
    CampaignAction.RESUME: frozenset({Role.MANAGER, Role.SUPERVISOR}),
    CampaignAction.CANCEL: frozenset({Role.MANAGER}),
}


def roles_of(user: User) -> frozenset[Role]:
    """The roles a person has by group; a superuser is a manager."""
    if user.is_superuser:
        return frozenset({Role.MANAGER})
    names = set(user.groups.values_list("name", flat=True))
    return frozenset(role for role in Role if role.value in names)


def may(user: User, action: CampaignAction) -> bool:
    """Whether this person may take this step with a campaign."""
    return bool(ROLES_FOR.get(action, frozenset()) & roles_of(user))


def sees_numbers(user: User) -> bool:
    """Whether phone numbers are shown to this person in full."""
    return Role.MANAGER in roles_of(user) or user.has_perm("campaigns.view_customer")


def hears_recordings(user: User) -> bool:
    """Whether this person may play recordings: anyone with a role."""
    return bool(roles_of(user))


def signed_in(user: AbstractBaseUser | AnonymousUser) -> User:
    """The person behind a request that passed `page`."""
    if not isinstance(user, User):
        raise TypeError("This view is not behind the sign-in.")
    return user


def page(view: View[P]) -> View[P]:
    """The view for signed-in people only, never cached."""
    return never_cache(login_required(view))
