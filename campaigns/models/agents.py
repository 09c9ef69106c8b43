"""Agents: the AI voices a campaign can speak with."""

from __future__ import annotations

from django.db import models

from campaigns.enums import AgentKind


class Agent(models.Model):
    """One agent. `version` rises with every change of `config`, so that a call can name what spoke."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=24, choices=AgentKind, default=AgentKind.SCRIPTED)
    config = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AgentPrompt(models.Model):
    """A recorded prompt of one agent, in place of (or on top of) the bundled ones."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="prompts")
    name = models.SlugField(max_length=60)
    text = models.TextField(help_text="What the recording says; stands in transcripts")
    path = models.CharField(max_length=200, help_text="Under DATA_DIR/prompts, named by us; WAV, PCM16 mono")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "name"], name="one_prompt_per_agent_and_name")]

    def __str__(self) -> str:
        return self.name
