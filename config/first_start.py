"""What the first start makes: tables, groups, the first user, the default trunk. Repeating it changes nothing."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from campaigns.enums import Role
from campaigns.models import Trunk

ADMIN_NAME = "admin"
DEFAULT_TRUNK_NAME = "default"
# What people who only watch have no need of: who holds which key, and everybody's number (the pages mask it for them).
NOT_TO_WATCH = (
    "apitoken",
    "idempotencyrecord",
    "customer",
    "listentry",
    "importreject",
    "contact",
    "callattempt",
    "suppressednumber",
    "dncnumber",
)
# Loosening calling rules is for whoever answers for the law; a superuser gives it to a person by name.
NOT_FOR_MANAGERS = ("override_rules",)


def prepare_database() -> None:
    """Migrate, and make what a first start needs."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0, interactive=False)
    make_groups()
    users = get_user_model().objects
    if settings.ADMIN_PASSWORD and not users.exists():
        users.create_superuser(ADMIN_NAME, password=settings.ADMIN_PASSWORD)
    if settings.PSR_BASE_URL and settings.PSR_TOKEN:
        Trunk.objects.get_or_create(
            name=DEFAULT_TRUNK_NAME,
            defaults={
                "base_url": settings.PSR_BASE_URL,
                "token": settings.PSR_TOKEN,
                "auth_scheme": settings.PSR_AUTH_SCHEME,
            },
        )


def make_groups() -> None:
    """A group for every role, with what its people may do in the admin; a group that exists is left as it is.

    Managers may do everything there but make people and loosen calling rules. The others may only look, and see
    nobody's number; a supervisor may stop all dialing besides.
    """
    ours = Permission.objects.filter(content_type__app_label="campaigns")
    to_watch = ours.filter(codename__startswith="view_").exclude(content_type__model__in=NOT_TO_WATCH)
    granted = {
        Role.MANAGER: ours.exclude(codename__in=NOT_FOR_MANAGERS),
        Role.SUPERVISOR: to_watch | ours.filter(codename="add_dialingstop"),
        Role.INTEGRATOR: to_watch,
    }
    for role in Role:
        group, is_new = Group.objects.get_or_create(name=role.value)
        if is_new:
            group.permissions.set(granted[role])
