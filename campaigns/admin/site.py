"""The admin's side bar and icon. Settings name the functions here: addresses are known only when a request comes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

# Title, then (words, icon of Material Symbols, model) of every entry.
Section = tuple[str, tuple[tuple[str, str, str], ...]]

_SECTIONS: tuple[Section, ...] = (
    (
        "Calling",
        (
            ("Campaigns", "campaign", "campaign"),
            ("Contacts", "contacts", "contact"),
            ("Agents", "record_voice_over", "agent"),
            ("Trunks", "dialer_sip", "trunk"),
            ("Stream endpoints", "phone_callback", "streamendpoint"),
        ),
    ),
    (
        "Customers",
        (
            ("Lists", "lists", "customerlist"),
            ("Customers", "person", "customer"),
            ("Imports", "upload_file", "importjob"),
        ),
    ),
    (
        "Rules",
        (
            ("Do not call", "block", "suppressednumber"),
            ("Do-not-call lists", "playlist_remove", "dnclist"),
            ("Blackout dates", "event_busy", "blackoutdate"),
            ("Stop all dialing", "emergency_home", "dialingstop"),
        ),
    ),
    (
        "Results",
        (
            ("Calls", "call", "call"),
            ("Call attempts", "call_log", "callattempt"),
            ("Analyses", "analytics", "callanalysis"),
            ("Campaign log", "history", "campaignevent"),
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
# What the platform keeps for itself; people get there from the rows these belong to.
_INTERNALS: Section = (
    "Internals",
    (
        ("List entries", "list_alt", "listentry"),
        ("Import rejects", "rule", "importreject"),
        ("Do-not-call versions", "history_edu", "dncversion"),
        ("Do-not-call numbers", "phone_disabled", "dncnumber"),
        ("Agent prompts", "graphic_eq", "agentprompt"),
        ("Attempt log", "receipt_long", "attemptlog"),
        ("Transcript turns", "forum", "transcriptturn"),
        ("Work after calls", "checklist", "callstep"),
        ("Outbox", "mail", "outboxevent"),
        ("Webhook posts", "send", "webhookdeliveryattempt"),
        ("Idempotent requests", "replay", "idempotencyrecord"),
        ("Bridge nodes", "dns", "bridgenode"),
        ("Heartbeats", "monitor_heart", "heartbeat"),
    ),
)
_PEOPLE = (("Users", "manage_accounts", "auth_user"), ("Groups", "groups", "auth_group"))


def mark(_: HttpRequest) -> str:
    """Where the product's icon lies."""
    return static("img/mark.svg")


def style_sheet(_: HttpRequest) -> str:
    """Where the admin's own styles lie."""
    return static("admin_pages/admin.css")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar's sections, without what this person may not see."""
    people = [(words, icon, name, f"auth.view_{name.removeprefix('auth_')}") for words, icon, name in _PEOPLE]
    sections = [*map(_own_models, _SECTIONS), ("People", people), _own_models(_INTERNALS)]
    return [
        _home(),
        *(
            {
                "title": title,
                "separator": True,
                "collapsible": title == _INTERNALS[0],
                "items": [
                    {"title": words, "icon": icon, "link": reverse(f"admin:{name}_changelist")}
                    for words, icon, name, permission in entries
                    if request.user.has_perm(permission)
                ],
            }
            for title, entries in sections
            if any(request.user.has_perm(permission) for *_, permission in entries)
        ),
    ]


def _home() -> dict[str, Any]:
    """The way to the first page, and out to the supervisors' pages."""
    return {
        "items": [
            {"title": "Start", "icon": "home", "link": reverse("admin:index")},
            {"title": "Supervisor pages", "icon": "monitoring", "link": reverse("overview"), "active": False},
        ]
    }


def _own_models(section: Section) -> tuple[str, list[tuple[str, str, str, str]]]:
    """A section with the names of its addresses and permissions."""
    title, entries = section
    return title, [(words, icon, f"campaigns_{model}", f"campaigns.view_{model}") for words, icon, model in entries]
