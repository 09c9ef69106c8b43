"""The closed lists: states, outcomes, kinds and roles. Stored as text; labels are for people."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices

from telephony.protocols.registry import PROTOCOLS

# The protocol of the calls we place; the others' names stand in the registry alone.
PSR: Final = "psr"


class AttemptState(TextChoices):
    """How far one dialing has come. Why it ended is its outcome, never a state."""

    CLAIMED = "claimed", "Claimed"
    DISPATCHING = "dispatching", "Dispatching"
    UNKNOWN = "unknown", "Unknown"
    PLACED = "placed", "Placed"
    IN_CALL = "in_call", "In call"
    ENDED = "ended", "Ended"


class Outcome(TextChoices):
    """How an attempt ended."""

    ANSWERED = "answered", "Answered"
    BUSY = "busy", "Busy"
    NO_ANSWER = "no_answer", "No answer"
    REJECTED = "rejected", "Rejected"
    INVALID_NUMBER = "invalid_number", "Invalid number"
    CONGESTION = "congestion", "Congestion"
    MACHINE = "machine", "Answering machine"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Canceled"
    BLOCKED = "blocked", "Blocked by a rule"
    RELEASED = "released", "Released, never sent"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"


class CampaignState(TextChoices):
    """Where a campaign is in its life."""

    DRAFT = "draft", "Draft"
    SCHEDULED = "scheduled", "Scheduled"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    FINISHED = "finished", "Finished"
    CANCELED = "canceled", "Canceled"


class CanaryState(TextChoices):
    """How far the careful start of a campaign has come."""

    NONE = "", "None"
    RUNNING = "running", "The first calls are looked at"
    PASSED = "passed", "The first calls went well"
    FAILED = "failed", "The first calls went badly"


class ContactState(TextChoices):
    """Where one customer is in one campaign."""

    PENDING = "pending", "Waiting"
    DIALING = "dialing", "Dialing"
    DONE = "done", "Done"
    EXHAUSTED = "exhausted", "Attempts used up"
    BLOCKED = "blocked", "Blocked by a rule"
    CANCELED = "canceled", "Canceled"
    TEST = "test", "Test call"


class ImportState(TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class AgentKind(TextChoices):
    SCRIPTED = "scripted", "Scripted agent"
    ECHO = "echo", "Echo"
    OPENAI_REALTIME = "openai_realtime", "OpenAI Realtime"
    LIVECALL_GRPC = "livecall_grpc", "LiveCall AI service (gRPC)"
    LISTENER = "listener", "Listener: writes down what two people say"


class App(TextChoices):
    """PSR's two ways of starting a call (vendor-docs/psr-3)."""

    BOT = "bot", "bot: call the customer"
    DIAL = "dial", "dial: ring an extension first, then the customer"


class StreamChannel(TextChoices):
    """Which legs PSR streams to the bridge (vendor-docs/psr-3)."""

    MONO_A = "mono_a", "mono_a: the caller's leg"
    MONO_B = "mono_b", "mono_b: the callee's leg"
    STEREO = "stereo", "stereo: both legs"


class AuthScheme(TextChoices):
    BEARER = "Bearer", "Bearer"
    BASIC = "Basic", "Basic"


class DialFormat(TextChoices):
    NATIONAL = "national", "National (0912345678)"
    E164 = "e164", "International (+84912345678)"


def call_protocols() -> list[tuple[str, str]]:
    """Choices of a call's protocol: what the registry knows."""
    return [(spec.name, spec.title) for spec in PROTOCOLS.values()]


def inbound_protocols() -> list[tuple[str, str]]:
    """Choices of the protocols in which calls come to us by themselves."""
    return [(spec.name, spec.title) for spec in PROTOCOLS.values() if spec.is_inbound]


class EndedBy(TextChoices):
    """Who or what ended a call."""

    CUSTOMER_HANGUP = "customer_hangup", "Customer hung up"
    AGENT_HANGUP = "agent_hangup", "Agent hung up"
    TRANSFER = "transfer", "Transferred"
    SOCKET_LOST = "socket_lost", "Connection lost"
    MEDIA_LOST = "media_lost", "Audio stopped"
    MAX_DURATION = "max_duration", "Longest duration reached"
    AGENT_FAILED = "agent_failed", "Agent failed"
    PEER_VIOLATION = "peer_violation", "Switch broke the protocol"
    DRAIN = "drain", "Platform shut down"
    STOPPED = "stopped_by_operator", "Hung up by an operator's stop"
    BRIDGE_ERROR = "bridge_error", "Bridge error"
    INTERRUPTED = "interrupted", "Bridge died; ended by the sweeper"


class SpeakerKind(TextChoices):
    CUSTOMER = "customer", "Customer"
    AGENT = "agent", "Agent"


class StepState(TextChoices):
    """State of one piece of work after a call, or of one webhook delivery."""

    PENDING = "pending", "Pending"
    DONE = "done", "Done"
    FAILED = "failed", "Failed, will be tried again"
    DEAD = "dead", "Given up"
    SKIPPED = "skipped", "Not needed"


class ResultStep(TextChoices):
    """What is done after a call, in this order; each step is idempotent."""

    TRANSCRIPT_FILE = "transcript_file", "Transcript file"
    CALL_FILE = "call_file", "Call-data file"
    ANALYSIS = "analysis", "Analysis"
    OPT_OUT = "opt_out", "Spoken opt-out"
    RECORDING = "recording", "Switch recording"
    WEBHOOKS = "webhooks", "Webhooks"


class WebhookEvent(TextChoices):
    CALL_STARTED = "call.started", "call.started"
    CALL_ENDED = "call.ended", "call.ended"
    CALL_ANALYZED = "call.analyzed", "call.analyzed"
    CONTACT_FINISHED = "contact.finished", "contact.finished"
    CAMPAIGN_STATE_CHANGED = "campaign.state_changed", "campaign.state_changed"


class Role(TextChoices):
    """What an API token, and a person by group of the same name, may do."""

    MANAGER = "manager", "Manager: everything"
    SUPERVISOR = "supervisor", "Supervisor: reads, live calls, pause and resume"
    INTEGRATOR = "integrator", "Integrator: customers, imports, webhooks, reads"


class TrunkHold(TextChoices):
    """Why nothing is dialed on a trunk until a person looks."""

    NONE = "", "None"
    AUTH = "auth", "PSR refused the token (401/403)"
    REDIRECT = "redirect", "PSR answered with a redirect"
    BREAKER = "breaker", "Too many requests to PSR failed"
    MANUAL = "manual", "Held by a person"


class StopKind(TextChoices):
    """Who stopped all dialing."""

    OPERATOR = "operator", "A person"
    DATABASE_SET_BACK = "database_set_back", "The platform: the database has lost calls"


class SuppressionSource(TextChoices):
    IMPORT = "import", "Imported"
    API = "api", "API"
    MANUAL = "manual", "Entered by hand"
    CALL = "call", "Asked for during a call"


class RuleProfileName(TextChoices):
    """Sets of calling rules (policies/rule_profiles.py)."""

    CUSTOM = "custom", "Custom: the campaign's own rules"
    VN_ADS = "vn_ads", "Vietnam, advertising"
    VN_SERVICE = "vn_service", "Vietnam, service calls"
    US_TCPA = "us_tcpa", "United States, TCPA"
    US_FL_OK = "us_fl_ok", "Florida and Oklahoma"


class DncVersionState(TextChoices):
    """How far a version of an imported do-not-call list has come."""

    LOADING = "loading", "Being read"
    CURRENT = "current", "In force"
    REPLACED = "replaced", "Replaced by a newer one"
    FAILED = "failed", "Refused"
