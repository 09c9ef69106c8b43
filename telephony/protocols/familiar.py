"""Messages that are like one that was read in full, but for a few values: those need not be parsed again.

A vendor writes all its audio messages alike, fifty a second and more. So the text around the values that change is
remembered, and a message with the same text around them is known to have the same keys, each once, and the same values
in all other places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# A peer that writes its messages differently each time is not remembered for ever: remembering costs, too.
MAX_SHAPES = 8
# A value as it may stand behind its key: a number, or a string without escapes.
_VALUE = r'"\s*:\s*(?:"([^"\\]*)"|(\d+)(?=\s*[,}\]]))'


@dataclass(frozen=True, slots=True)
class FamiliarText:
    """The text of a message in which some values are left out; `between` stands between one and the next."""

    before: str
    between: tuple[str, ...]
    after: str

    @classmethod
    def of(cls, text: str, keys: Sequence[str]) -> FamiliarText | None:
        """The text around the values of `keys`, in the order in which they stand; None where it is not plain.

        `text` is JSON that was read in full. Plain is: without escapes, each key once and nowhere as a value.
        """
        if "\\" in text:
            return None
        fixed, at = [], 0
        for key in keys:
            found = re.search(f'"{re.escape(key)}{_VALUE}', text)
            if found is None or text.count(f'"{key}"') != 1 or found.start() < at:
                return None
            begin, end = found.span(found.lastindex or 0)
            fixed.append(text[at:begin])
            at = end
        return cls(fixed[0], tuple(fixed[1:]), text[at:])

    def values_in(self, text: str) -> list[str] | None:
        """What stands in the places of the values, in order; None where the text around them is another.

        Whoever asks must judge the values: what holds a quotation mark, or is no number where one should be, is none.
        """
        if not (text.startswith(self.before) and text.endswith(self.after)):
            return None
        values, at = [], len(self.before)
        for between in self.between:
            end = text.find(between, at)
            if end < 0:
                return None
            values.append(text[at:end])
            at = end + len(between)
        end = len(text) - len(self.after)
        if end < at:
            return None
        values.append(text[at:end])
        return values


def is_number(text: str) -> bool:
    """Whether `text` is a whole number as JSON writes it, not negative."""
    return text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0")
