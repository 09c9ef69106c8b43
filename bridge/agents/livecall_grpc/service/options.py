"""How the reference service behaves: what it says, and which manners of other services it takes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from bridge.agents.livecall_grpc.config import DEFAULT_OUTPUT_HZ, AudioEncoding
from bridge.agents.prompt_library import DEFAULT_SCRIPT as DEFAULT_PROMPTS
from bridge.agents.prompt_library import PromptLibrary


class Fault(StrEnum):
    """What goes wrong in every call."""

    NONE = "none"
    ERROR = "error"
    """Says that the workspace is not known, and nothing else."""
    STALL = "stall"
    """Takes the call and says nothing."""
    DIE = "die"
    """Breaks off in the middle of the greeting."""


class ScriptProblem(ValueError):
    """A script cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Script:
    """Names of prompts: the greeting, what is answered turn by turn, the farewell, and what precedes a transfer."""

    prompts: str = DEFAULT_PROMPTS
    greeting: tuple[str, ...] = ("greeting",)
    answers: tuple[tuple[str, ...], ...] = (("q_solved",), ("q_person",), ("q_recommend",))
    goodbye: tuple[str, ...] = ("goodbye_thanks",)
    transfer: tuple[str, ...] = ("transferring",)

    def names(self) -> frozenset[str]:
        """Every prompt that it names."""
        return frozenset(
            (*self.greeting, *self.goodbye, *self.transfer, *(name for turn in self.answers for name in turn))
        )


DEFAULT_SCRIPT: Final = Script()
_KEYS: Final = ("prompts", "greeting", "answers", "goodbye", "transfer")


@dataclass(frozen=True, slots=True)
class Options:
    """The service; what stands from `encoding` on are the manners of others.

    Port 0 is any free one. `own_prompts` are recordings on top of the bundled ones. `end_key` and `transfer_key` are
    DTMF digits. `staff` are the numbers that a transfer names where the bridge has told of none.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    rate_hz: int = DEFAULT_OUTPUT_HZ
    script: Script = DEFAULT_SCRIPT
    own_prompts: Mapping[str, Path] = field(default_factory=dict)
    chunk_ms: int = 100
    end_key: str = "9"
    transfer_key: str = "0"
    staff: tuple[str, ...] = ()
    encoding: AudioEncoding = AudioEncoding.BYTES
    has_extensions: bool = True
    says_width_in_bits: bool = False
    leaves_out_rate: bool = False
    leaves_out_status: bool = False
    fault: Fault = Fault.NONE


def read_script(path: Path, own_prompts: Mapping[str, Path] | None = None) -> Script:
    """The script in a JSON file: `prompts`, `greeting`, `answers` (a list of lists), `goodbye`, `transfer`.

    What it does not name is as in the default; `own_prompts` are recordings on top of the bundled ones.

    Raises:
        ScriptProblem: it cannot be used.
    """
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScriptProblem(f"{path.name} cannot be read as JSON") from error
    if not isinstance(source, dict) or source.keys() - _KEYS:
        raise ScriptProblem(f"write an object with the keys {', '.join(_KEYS)} only")
    prompts, answers = source.get("prompts", DEFAULT_SCRIPT.prompts), source.get("answers")
    if not isinstance(prompts, str):
        raise ScriptProblem("prompts: write the name of a bundled set of prompts")
    if answers is not None and not isinstance(answers, list):
        raise ScriptProblem("answers: write a list of lists of prompt names")
    script = Script(
        prompts,
        _names("greeting", source.get("greeting"), DEFAULT_SCRIPT.greeting),
        DEFAULT_SCRIPT.answers if answers is None else tuple(_names("answers", turn, ()) for turn in answers),
        _names("goodbye", source.get("goodbye"), DEFAULT_SCRIPT.goodbye),
        _names("transfer", source.get("transfer"), DEFAULT_SCRIPT.transfer),
    )
    if missing := sorted(script.names() - PromptLibrary(prompts, own_prompts).names()):
        raise ScriptProblem(f"there is no recording named {', '.join(missing)}")
    return script


def _names(key: str, value: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ScriptProblem(f"{key}: write a list of prompt names")
    return tuple(value)
