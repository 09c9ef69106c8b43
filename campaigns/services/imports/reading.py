"""Reading the stored copy of an upload: records with their exact place, a bounded number of bytes at a time.

The stored copy is UTF-8 with LF line ends. A record that is broken within its own line is that row's problem; a quote
that stays open over the following lines would swallow them, so it refuses the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from campaigns.errors import ImportRefused
from campaigns.policies.csv_dialect import MAX_ROW_BYTES
from campaigns.policies.import_rows import RowProblem

# A quoted cell may run over lines; a record that needs more than this is taken for an unclosed quote.
MAX_RECORD_BYTES = 4 * MAX_ROW_BYTES


@dataclass(slots=True)
class Block:
    """Some consecutive records of a file. Row numbers start at 1 and count blank rows too."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    problems: list[tuple[int, RowProblem, list[str]]] = field(default_factory=list)
    rows_end: int = 0
    offset_end: int = 0
    is_last: bool = False


class _LineTooLongError(Exception):
    """One line is longer than a row may be; the rest of it is skipped."""


class _RecordTooLongError(Exception):
    """A record runs over so many lines that its quote must be unclosed."""


class _Lines:
    """Feeds csv.reader one line at a time and knows the place of the next; csv.reader never reads ahead."""

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        self._stream = stream
        self.offset = self._record_start = offset
        self.taken = 0
        self.is_exhausted = False

    def start_record(self) -> None:
        self._record_start = self.offset
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_ROW_BYTES + 1)
        if not line:
            self.is_exhausted = True
            raise StopIteration
        self.offset += len(line)
        self.taken += 1
        if self.offset - self._record_start > MAX_RECORD_BYTES:
            raise _RecordTooLongError
        if len(line) > MAX_ROW_BYTES and not line.endswith(b"\n"):
            raise _LineTooLongError
        return line.decode("utf-8")

    def skip_line(self) -> None:
        """Go to the end of the current line without keeping it."""
        while True:
            part = self._stream.readline(MAX_ROW_BYTES)
            self.offset += len(part)
            if not part or part.endswith(b"\n"):
                return

    def last_line(self, start: int) -> str:
        """The line that starts at `start`, as text; the stream stays where it was."""
        self._stream.seek(start)
        line = self._stream.readline(MAX_ROW_BYTES)
        self._stream.seek(self.offset)
        return line.decode("utf-8", "replace").rstrip("\n")


def read_blocks(stream: BinaryIO, *, delimiter: str, offset: int, row_number: int, max_rows: int) -> Iterator[Block]:
    """The records from `offset` on, where `row_number` were before it, in blocks of at most `max_rows`.

    Raises:
        ImportRefused: `unclosed_quote`, naming the row that opens it.
    """
    stream.seek(offset)
    lines = _Lines(stream, offset)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    block = Block()
    while True:
        start = lines.offset
        lines.start_record()
        try:
            block.rows.append((row_number + 1, next(reader)))
        except StopIteration:
            break
        except _LineTooLongError:
            if lines.taken > 1:
                raise _unclosed_quote(row_number + 1) from None
            lines.skip_line()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            problem = RowProblem("", "row_too_long", f"The row is longer than {MAX_ROW_BYTES // 1024} KiB.")
            block.problems.append((row_number + 1, problem, []))
        except (csv.Error, _RecordTooLongError):
            if lines.is_exhausted or lines.taken > 1:
                raise _unclosed_quote(row_number + 1) from None
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            problem = RowProblem("", "bad_quotes", 'A quote inside a quoted cell is not doubled: write "" for one.')
            block.problems.append((row_number + 1, problem, [lines.last_line(start)]))
        row_number += 1
        if len(block.rows) + len(block.problems) >= max_rows:
            block.rows_end, block.offset_end = row_number, lines.offset
            yield block
            block = Block()
    block.rows_end, block.offset_end, block.is_last = row_number, lines.offset, True
    yield block


def _unclosed_quote(row_number: int) -> ImportRefused:
    return ImportRefused(
        "unclosed_quote",
        f"Row {row_number} opens a quoted cell that is not closed where it should be. Nothing was imported; "
        "fix that row and upload the file again.",
    )


def count_rows(stream: BinaryIO, *, delimiter: str, offset: int) -> int:
    """How many rows of data, blank ones aside, the file holds; reads it to its end.

    Raises:
        ImportRefused: `unclosed_quote` or `empty_file`.
    """
    total = 0
    for block in read_blocks(stream, delimiter=delimiter, offset=offset, row_number=0, max_rows=5_000):
        total += len(block.problems) + sum(1 for _, cells in block.rows if any(cell.strip() for cell in cells))
    if not total:
        raise ImportRefused("empty_file", "The file has a header row but no rows of data.")
    return total
