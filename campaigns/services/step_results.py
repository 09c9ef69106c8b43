"""What one try of a step after a call came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Done:
    """The step's effect stands."""

    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing failed, but what the step needs is not there yet; this try does not count."""

    retry_at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Trying again cannot help."""

    reason: str


StepResult: TypeAlias = Done | NotYet | GivenUp
