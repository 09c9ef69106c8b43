"""Finds messages that came twice, by what their vendor numbers or dates them with. Nothing is ever put in order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

# A message comes again at once or not at all.
REMEMBERED: Final = 64
# Fewer than are remembered. A peer whose numbers stand still, or repeat for longer than this, does not number.
MAX_IN_A_ROW: Final = 50


class Repeats:
    """What one stream's last messages were called. A peer that turns out not to number them is not believed again."""

    def __init__(self) -> None:
        self._recent: OrderedDict[Hashable, None] = OrderedDict()
        self._in_a_row = 0
        self._is_believed = True

    def has(self, name: Hashable) -> bool:
        """Whether a message of this name came a moment ago; remembers it."""
        if not self._is_believed:
            return False
        if name not in self._recent:
            self._recent[name] = None
            self._in_a_row = 0
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
            return False
        self._in_a_row += 1
        self._is_believed = self._in_a_row <= MAX_IN_A_ROW
        return self._is_believed
