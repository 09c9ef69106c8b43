"""The admin's side bar and icon. Settings name the functions here: addresses are known only when a request comes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

# Title, then (words, icon of Material Symbols, model) of every entry.
_SECTIONS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Calling",
        (
            ("Campaigns", "campaign", "campaign"),
            ("Contacts", "contacts", "contact"),
            ("Agents", "record_voice_over", "agent"),
            ("Trunks", "dialer_sip", "trunk"),
        ),
    ),
    (
        "Customers",
        (
            ("Lists", "lists", "customerlist"),
            ("Customers", "person", "customer"),
            ("Imports", "upload_file", "importjob"),
            ("Do not call", "block", "suppressednumber"),
        ),
    ),
    (
        "Results",
        (
            ("Calls", "call", "call"),
            ("Call attempts", "call_log", "callattempt"),
            ("Analyses", "analytics", "callanalysis"),
            ("Campaign log", "history", "campaignevent"),
            ("Bridge nodes", "dns", "bridgenode"),
        ),
    ),
    (
        "Integration",
        (
            ("API tokens", "key", "apitoken"),
            ("Webhook endpoints", "webhook", "webhookendpoint"),
            ("Webhook deliveries", "outbox", "webhookdelivery"),
        ),
    ),
)
_PEOPLE = (("Users", "manage_accounts", "auth_user"), ("Groups", "groups", "auth_group"))


def mark(_: HttpRequest) -> str:
    """Where the product's icon lies."""
    return static("img/mark.svg")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar's sections, without what this person may not see."""
    sections = [
        (title, [(words, icon, f"campaigns_{model}", f"campaigns.view_{model}") for words, icon, model in entries])
        for title, entries in _SECTIONS
    ]
    people = [(words, icon, name, f"auth.view_{name.removeprefix('auth_')}") for words, icon, name in _PEOPLE]
    return [
        {
            "title": title,
            "separator": True,
            "items": [
                {"title": words, "icon": icon, "link": reverse(f"admin:{name}_changelist")}
                for words, icon, name, permission in entries
                if request.user.has_perm(permission)
            ],
        }
        for title, entries in [*sections, ("People", people)]
        if any(request.user.has_perm(permission) for *_, permission in entries)
    ]
