"""Recorded prompts by name: the bundled ones of a script, and a campaign's own on top."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from bridge.audio.wav import Pcm, read_wav
from telephony.protocols.wav import WavFormatError

BUNDLED_DIR: Final = Path(__file__).parent / "prompts"
DEFAULT_SCRIPT: Final = "customer_survey"
MANIFEST: Final = "manifest.json"
# A script has some twenty prompts; this keeps the bundled ones and several campaigns' own in memory.
MAX_CACHED_PROMPTS: Final = 256


class PromptMissing(Exception):
    """A prompt cannot be played; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Something recorded to say; `text` is empty where nobody wrote down what an uploaded file says."""

    name: str
    text: str
    pcm: Pcm


class PromptLibrary:
    """The prompts of one call: a script's bundled ones, with a campaign's own files before them."""

    def __init__(self, script: str = DEFAULT_SCRIPT, own: Mapping[str, Path] | None = None) -> None:
        self._directory = BUNDLED_DIR / script
        self._own = dict(own or {})

    def names(self) -> frozenset[str]:
        """Every name that `get` knows."""
        return frozenset(self._own) | frozenset(_texts(self._directory))

    def get(self, name: str) -> Prompt:
        """A prompt by name. Files are read once and kept.

        Raises:
            PromptMissing: there is no such prompt, or its file cannot be used.
        """
        texts = _texts(self._directory)
        path = self._own.get(name) or (self._directory / f"{name}.wav" if name in texts else None)
        if path is None:
            raise PromptMissing(f"there is no prompt named {name!r}; upload a WAV file under that name")
        text = texts.get(name, "") if name not in self._own else ""
        try:
            return Prompt(name, text, _read(path, path.stat().st_mtime_ns))
        except (WavFormatError, OSError) as error:
            raise PromptMissing(f"the prompt {name!r} cannot be played: {error}") from error


@lru_cache(maxsize=16)
def _texts(directory: Path) -> Mapping[str, str]:
    manifest = directory / MANIFEST
    if not manifest.is_file():
        return {}
    prompts = json.loads(manifest.read_text(encoding="utf-8"))["prompts"]
    return {name: prompt["text"] for name, prompt in prompts.items()}


@lru_cache(maxsize=MAX_CACHED_PROMPTS)
def _read(path: Path, mtime_ns: int) -> Pcm:
    """The file as it was at `mtime_ns`, which makes a replaced file a new entry."""
    del mtime_ns
    return read_wav(path)
