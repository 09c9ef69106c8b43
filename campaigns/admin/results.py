"""What happened: attempts, calls, what was said, and the work after a call. All of it is read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.decorators import display

from campaigns.admin.base import (
    OUTCOME_COLOURS,
    STATE_COLOURS,
    InternalAdmin,
    RecordAdmin,
    in_lines,
    pairs_in_lines,
)
from campaigns.models import (
    AttemptLog,
    BridgeNode,
    Call,
    CallAnalysis,
    CallAttempt,
    CallStep,
    Heartbeat,
    TranscriptTurn,
)


class RecordInline(TabularInline):
    """Rows that belong to a record; read-only like it."""

    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AttemptLogInline(RecordInline):
    model = AttemptLog
    fields = readonly_fields = ["at", "from_state", "to_state", "reason", "show_details"]

    @display(description="Details")
    def show_details(self, entry: AttemptLog) -> str:
        return pairs_in_lines(entry.details)


@admin.register(CallAttempt)
class CallAttemptAdmin(RecordAdmin):
    list_display = ["claimed_at", "phone_number", "campaign", "number", "show_state", "show_outcome", "hangup_cause"]
    list_filter = ["state", "outcome", "campaign", "trunk"]
    search_fields = ["phone_number", "switch_call_id", "id"]
    search_help_text = "Number, the switch's call id, or the attempt's id"
    list_select_related = ["campaign"]
    date_hierarchy = "claimed_at"
    exclude = ["token_digest"]
    inlines = [AttemptLogInline]

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def show_state(self, attempt: CallAttempt) -> tuple[str, str]:
        return attempt.state, str(attempt.get_state_display())

    @display(description="Outcome", label=OUTCOME_COLOURS, ordering="outcome", empty_value="–")
    def show_outcome(self, attempt: CallAttempt) -> tuple[str, str] | None:
        return (attempt.outcome, str(attempt.get_outcome_display())) if attempt.outcome else None


@admin.register(AttemptLog)
class AttemptLogAdmin(InternalAdmin):
    list_display = ["at", "attempt", "from_state", "to_state", "reason"]
    list_filter = ["to_state"]
    search_fields = ["attempt__id"]
    list_select_related = ["attempt"]


class TurnInline(RecordInline):
    model = TranscriptTurn
    fields = ["seq", "speaker", "text", "heard_text", "start_ms", "end_ms", "is_interrupted"]


class StepInline(RecordInline):
    model = CallStep
    fields = ["step", "state", "tries", "run_at", "error"]


@admin.register(Call)
class CallAdmin(RecordAdmin):
    list_display = ["started_at", "id", "protocol", "agent", "show_end", "disposition", "is_processed"]
    list_filter = ["protocol", "ended_by", "disposition", "agent", "is_processed"]
    search_fields = ["id", "vendor_call_id", "customer_number", "attempt__phone_number"]
    search_help_text = "The call's id, the vendor's, or the number"
    list_select_related = ["agent"]
    date_hierarchy = "started_at"
    inlines = [TurnInline, StepInline]
    fields = [
        "attempt",
        "endpoint",
        "customer_number",
        "own_number",
        "is_outbound",
        "agent",
        "agent_version",
        "show_parameters",
        "started_at",
        "ended_at",
        "ended_by",
        "disposition",
        "show_answers",
        "transferred_to",
        "protocol",
        "vendor_call_id",
        "last_seen_at",
        "show_metrics",
        "recording_path",
        "switch_recording_path",
        "is_processed",
    ]
    readonly_fields = ["show_parameters", "show_answers", "show_metrics"]

    def view_on_site(self, obj: Call) -> str:
        """The supervisors' page of the call."""
        return reverse("call", args=[obj.pk])

    @display(description="Parameters")
    def show_parameters(self, call: Call) -> str:
        return pairs_in_lines(call.parameters)

    @display(description="Answers")
    def show_answers(self, call: Call) -> str:
        return in_lines(f"{answer.get('question', '')} → {answer.get('value', '')}" for answer in call.answers)

    @display(description="The bridge's counters")
    def show_metrics(self, call: Call) -> str:
        return pairs_in_lines(call.metrics)

    @display(
        description="Ended by",
        label={"live": "success", "agent_failed": "danger", "socket_lost": "warning"},
        ordering="ended_by",
    )
    def show_end(self, call: Call) -> tuple[str, str]:
        return (call.ended_by, str(call.get_ended_by_display())) if call.ended_by else ("live", "Live")


@admin.register(TranscriptTurn)
class TranscriptTurnAdmin(InternalAdmin):
    list_display = ["call", "seq", "speaker", "text", "start_ms", "is_interrupted"]
    list_filter = ["speaker", "is_interrupted"]
    search_fields = ["text", "call__id"]
    list_select_related = ["call"]


@admin.register(CallStep)
class CallStepAdmin(InternalAdmin):
    list_display = ["call", "step", "show_state", "tries", "run_at", "error"]
    list_filter = ["step", "state"]
    search_fields = ["call__id", "error"]
    list_select_related = ["call"]

    @display(description="State", label=STATE_COLOURS | {"done": "success", "failed": "warning"}, ordering="state")
    def show_state(self, step: CallStep) -> tuple[str, str]:
        return step.state, str(step.get_state_display())


@admin.register(CallAnalysis)
class CallAnalysisAdmin(RecordAdmin):
    list_display = ["call", "disposition", "summary", "computed_at"]
    list_filter = ["disposition"]
    search_fields = ["summary", "call__id"]
    list_select_related = ["call"]


@admin.register(BridgeNode)
class BridgeNodeAdmin(InternalAdmin):
    list_display = ["name", "live_calls", "capacity", "show_lag", "is_draining", "seen_at"]
    list_filter = ["is_draining"]
    search_fields = ["name"]

    @display(description="Loop lag")
    def show_lag(self, node: BridgeNode) -> str:
        return f"{node.gauges.get('loop_lag_ms', 0):.0f} ms"


@admin.register(Heartbeat)
class HeartbeatAdmin(InternalAdmin):
    list_display = ["name", "at"]
    search_fields = ["name"]
