"""The admin: everything a campaign manager sets up, and everything the platform wrote down, read-only."""

from campaigns.admin import (
    access,
    agents,
    calling_rules,
    campaigns,
    customers,
    endpoints,
    imports,
    people,
    results,
    suppression,
    trunks,
    webhooks,
)

__all__ = [
    "access",
    "agents",
    "calling_rules",
    "campaigns",
    "customers",
    "endpoints",
    "imports",
    "people",
    "results",
    "suppression",
    "trunks",
    "webhooks",
]
