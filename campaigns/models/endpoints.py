"""Stream endpoints: the doors through which vendors bring calls of their own."""

from __future__ import annotations

from django.db import models

from campaigns.enums import inbound_protocols
from campaigns.models.agents import Agent


class StreamEndpoint(models.Model):
    """One vendor's door. Its key decides the agent; only the key's SHA-256 is kept, `key_prefix` is to recognise it."""

    name = models.CharField(max_length=100, unique=True)
    protocol = models.CharField(max_length=16, choices=inbound_protocols)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="stream_endpoints")
    config = models.JSONField("options", default=dict, blank=True, help_text="A JSON object; {} does as documented")
    allowed_networks = models.JSONField(
        default=list, blank=True, help_text="Addresses or networks the vendor connects from; empty: from anywhere"
    )
    is_active = models.BooleanField("active", default=True)
    key_prefix = models.CharField("key begins with", max_length=12)
    key_digest = models.CharField(max_length=64, unique=True)
    key_made_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
