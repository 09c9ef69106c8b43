"""The exceptions of this room. `code` is stable and stands in API answers; the text says what to do."""

from __future__ import annotations

from collections.abc import Mapping


class CampaignsError(Exception):
    """Base of the errors callers may show to a person."""

    code = "error"
    retryable = False

    def __init__(self, detail: str, *, errors: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = dict(errors or {})


class IllegalTransition(CampaignsError):
    """The state table has no such step. Nothing was changed."""

    code = "bad_transition"


class CampaignNotReady(CampaignsError):
    """A campaign cannot be launched as it is; `errors` names every field and reason."""

    code = "campaign_not_ready"


class ApprovalNeeded(CampaignNotReady):
    """A large campaign waits for the approval of a second person."""

    code = "approval_needed"


class ImportRefused(CampaignsError):
    """A file as a whole cannot be read as a customer list."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class CallRefused(CampaignsError):
    """A socket may not become a call. `status` is the HTTP status of the refusal."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.status = status
        self.code = code


class CallRequestRefused(CampaignsError):
    """What was asked for during a call cannot be done; the text is for whoever asked."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class CallTestRefused(CampaignsError):
    """A test call may not be placed; `code` is the gate that is closed, or says what is wrong with the number."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class BadCallToken(CampaignsError):
    """A call token is malformed, forged or expired; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RecordInUse(CampaignsError):
    """A row cannot be deleted, or changed that way, because others depend on it."""

    code = "in_use"


class RulesKept(CampaignsError):
    """Calling rules cannot be loosened as asked; `errors` says why. Nothing was changed."""

    code = "rules_kept"


class IdempotencyConflict(CampaignsError):
    """An `Idempotency-Key` cannot be used for this request; `code` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class WebhookRefused(CampaignsError):
    """A webhook endpoint or delivery cannot be made or used as asked; `code` says which rule stands against it."""

    def __init__(self, code: str, detail: str, *, errors: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(detail, errors=errors)
        self.code = code
