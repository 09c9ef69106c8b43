"""Agents and their recorded prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminFileFieldWidget

from campaigns.admin.base import changed_values, field_values
from campaigns.models import Agent, AgentPrompt
from campaigns.policies.agent_setup import check_prompt_wav
from campaigns.services import definitions
from campaigns.services.agents import check_agent
from campaigns.services.prompts import MAX_PROMPT_BYTES, store_prompt


def read_recording(file: UploadedFile[Any] | None, check: Callable[[bytes], object] = check_prompt_wav) -> bytes | None:
    """An uploaded recording that passes `check`, by default one that agents can play; None if none was uploaded.

    Raises:
        ValidationError: it cannot be played.
    """
    if file is None:
        return None
    if (file.size or 0) > MAX_PROMPT_BYTES:
        raise forms.ValidationError(f"The file is larger than {MAX_PROMPT_BYTES:,} bytes. Shorten the recording.")
    data: bytes = file.read()
    try:
        check(data)
    except ValueError as error:
        raise forms.ValidationError(str(error)) from error
    return data


class AgentForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    class Meta:
        model = Agent
        fields = ["name", "kind", "config"]
        help_texts = {
            "config": "A JSON object. {} is the bundled script; docs/how-to has what each kind understands.",
        }

    def clean_config(self) -> dict[str, Any]:
        config = self.cleaned_data["config"] or {}
        try:
            check_agent(self.cleaned_data.get("kind", ""), config)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return dict(config)


class PromptForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A prompt and its recording. The recording is kept when the form is saved, under a name of ours."""

    recording = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": "audio/wav,.wav"}),
        help_text="WAV, 16-bit PCM, mono, at most 60 s",
    )

    class Meta:
        model = AgentPrompt
        fields = ["name", "text"]

    def clean_recording(self) -> bytes | None:
        data = read_recording(self.cleaned_data["recording"])
        if data is None and not self.instance.path:
            raise forms.ValidationError("Choose a WAV file.")
        return data

    def save(self, commit: bool = True) -> AgentPrompt:
        data = self.cleaned_data["recording"]
        if data is not None:
            self.instance.path = store_prompt(data)
        prompt: AgentPrompt = super().save(commit)
        return prompt


class PromptInline(TabularInline):
    model = AgentPrompt
    form = PromptForm
    extra = 0
    fields = ["name", "text", "recording", "path"]
    readonly_fields = ["path"]


@admin.register(Agent)
class AgentAdmin(ModelAdmin):
    form = AgentForm
    list_display = ["name", "kind", "version", "updated_at"]
    list_filter = ["kind"]
    search_fields = ["name"]
    readonly_fields = ["version", "created_at", "updated_at"]
    inlines = [PromptInline]

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        if change:
            stored = Agent.objects.get(pk=obj.pk)
            obj.version = definitions.change_agent(stored, changed_values(form)).version
        else:
            obj.pk = definitions.create_agent(field_values(form)).pk


@admin.register(AgentPrompt)
class AgentPromptAdmin(ModelAdmin):
    form = PromptForm
    list_display = ["name", "agent", "text"]
    list_filter = ["agent"]
    search_fields = ["name", "text"]
    readonly_fields = ["agent", "path"]
    fields = ["agent", "name", "text", "recording", "path"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """People get here from the agent."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Prompts are added on their agent's page."""
        return False
