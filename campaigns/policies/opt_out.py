"""Whether a customer said, in so many words, not to be called again.

The agent is expected to notice by itself; this is the net below it. So phrases are whole wishes, not single words, and
a longer sentence may stand around them. Accents are kept: in Vietnamese "đừng gọi lại" (do not call again) and "đúng,
gọi lại" (right, call again) differ in nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

# By language; a list given in the settings takes the place of its language's.
DEFAULT_PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "do not call me again",
        "don't call me again",
        "do not call again",
        "don't call again",
        "do not call me anymore",
        "don't call me anymore",
        "do not ever call me",
        "don't ever call me",
        "never call me",
        "never call again",
        "stop calling",
        "do not call list",
        "take me off your list",
        "remove me from your list",
        "remove my number",
        "delete my number",
    ),
    "vi": (
        "đừng gọi nữa",
        "đừng gọi lại",
        "đừng gọi cho tôi nữa",
        "đừng gọi tôi nữa",
        "đừng gọi cho anh nữa",
        "đừng gọi cho chị nữa",
        "đừng gọi cho em nữa",
        "đừng bao giờ gọi",
        "không gọi cho tôi nữa",
        "không gọi lại nữa",
        "đừng làm phiền tôi nữa",
        "xóa số của tôi",
        "xóa số điện thoại của tôi",
        "xoá số của tôi",
        "xoá số điện thoại của tôi",
    ),
}
_NO_WORD: Final = re.compile(r"[^\w']+")


def opt_out_phrases(replacements: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The phrases of all languages; an empty replacement keeps the language's own."""
    return tuple(phrase for language, own in DEFAULT_PHRASES.items() for phrase in (replacements.get(language) or own))


def find_opt_out(said: Iterable[str], phrases: Iterable[str]) -> str:
    """The first phrase that stands in one of the customer's turns; empty if none does."""
    turns = [f" {_plain(text)} " for text in said]
    for phrase in phrases:
        wish = _plain(phrase)
        if wish and any(f" {wish} " in turn for turn in turns):
            return phrase
    return ""


def _plain(text: str) -> str:
    """Words in lower case, one blank between them; accents composed, apostrophes straight."""
    composed = unicodedata.normalize("NFC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _NO_WORD.sub(" ", composed).strip()
