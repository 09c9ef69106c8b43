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


def prepare_database() -> None:
    """Migrate, and make what a first start needs."""
    call_command("migrate", verbosity=0, interactive=False)
    for role in Role.values:
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new and role == Role.MANAGER:
            group.permissions.set(Permission.objects.filter(content_type__app_label="campaigns"))
        elif is_new:
            group.permissions.set(
                Permission.objects.filter(content_type__app_label="campaigns", codename__startswith="view_")
            )
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
