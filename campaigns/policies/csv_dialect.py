"""How an uploaded file is written: its encoding, its delimiter, and whether it is a table at all.

Everything here judges bytes that were already read. A file that cannot be read without guessing is refused, because
a wrong guess calls people by wrong names.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaigns.errors import ImportRefused

DELIMITERS = (",", ";", "\t", "|")
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
MAX_ROW_BYTES = 65_536

UTF8_BOM = b"\xef\xbb\xbf"
BOMS: tuple[tuple[bytes, str], ...] = ((UTF8_BOM, "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "an Excel workbook or ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
)
# windows-1258 writes the Vietnamese tones as marks after the vowel: grave, hook, tilde, acute, dot below.
_TONE_MARKS = frozenset("\u0300\u0309\u0303\u0301\u0323")
_VOWELS = frozenset("aăâeêioôơuưyAĂÂEÊIOÔƠUƯY")
_VIETNAMESE = frozenset("ăâđêôơưĂÂĐÊÔƠƯáàãéèíóòúùýÁÀÃÉÈÍÓÒÚÙÝ")
_WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœšžÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŒŠŽß")
_TYPOGRAPHY = frozenset("‘’“”–—…•€£₫°´·\u00a0")

_FORMULA_START = ("=", "+", "-", "@", "\t", "\r", "\0")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How the stored copy of an upload is to be read; `encoding` is what the original was written in."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    data_offset: int
    """Bytes of the stored copy before the first row of data."""


def refuse_binary(head: bytes) -> None:
    """Let a text file pass.

    Raises:
        ImportRefused: `empty_file`, or `not_csv` for a known kind of binary file.
    """
    if not head.strip(b" \t\r\n" + UTF8_BOM):
        raise ImportRefused("empty_file", "The file is empty. Upload a CSV with a header row and at least one row.")
    kind = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if kind is None and head.startswith(b"MZ") and b"\0" in head:
        kind = "a program"
    if kind:
        raise ImportRefused(
            "not_csv", f"The file is {kind}, not a CSV. In a spreadsheet, use “Save as” and pick “CSV UTF-8”."
        )


def bom_of(head: bytes) -> tuple[bytes, str] | None:
    """The byte-order mark a file starts with and the encoding it stands for; None without one."""
    return next(((bom, encoding) for bom, encoding in BOMS if head.startswith(bom)), None)


def legacy_encoding(sample: bytes, *, offset: int) -> str:
    """`cp1258` or `cp1252`, for a sample that is not UTF-8 and is clearly text in one of them.

    `sample` starts just before the file's first byte outside ASCII, which stands at `offset`.

    Raises:
        ImportRefused: `bad_encoding`, naming the offset, when neither or both could be meant.
    """
    western = _decoded(sample, "cp1252")
    vietnamese = _decoded(sample, "cp1258")
    if vietnamese is not None and _is_vietnamese(vietnamese):
        return "cp1258"
    if western is not None and western == vietnamese and _is_made_of(western, _WESTERN | _TYPOGRAPHY):
        return "cp1252"
    if western is not None and _is_made_of(western, _WESTERN | _TYPOGRAPHY) and not _could_be_vietnamese(vietnamese):
        return "cp1252"
    raise bad_encoding(offset)


def bad_encoding(offset: int) -> ImportRefused:
    """The refusal of a byte that is no text; the caller raises it."""
    return ImportRefused(
        "bad_encoding",
        f"The byte at offset {offset} is not UTF-8, and the encoding is not clear from the text. "
        "Save the file as “CSV UTF-8” and upload it again.",
    )


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_made_of(text: str, letters: frozenset[str]) -> bool:
    return all(char.isascii() or char in letters for char in text)


def _is_vietnamese(text: str) -> bool:
    """Whether tones stand only on vowels, at least one does, and nothing else is foreign."""
    tones = 0
    for before, char in zip(" " + text, text, strict=False):
        if char in _TONE_MARKS:
            if before not in _VOWELS:
                return False
            tones += 1
        elif not (char.isascii() or char in _VIETNAMESE or char in _TYPOGRAPHY):
            return False
    return tones > 0


def _could_be_vietnamese(text: str | None) -> bool:
    return text is not None and _is_made_of(text, _VIETNAMESE | _TYPOGRAPHY)


def read_dialect(head: bytes, *, encoding: str, is_whole: bool, is_phone_column: Callable[[str], bool]) -> CsvDialect:
    """The delimiter and header of a stored copy (UTF-8, LF) that starts with `head`.

    The delimiter is the one that yields a phone column, then the one that yields the most columns. A first line
    `sep=;` names it, as spreadsheets write it. `is_whole` says that `head` is the entire file.

    Raises:
        ImportRefused: `empty_file`, `row_too_long` or `bad_header`.
    """
    start = len(head) - len(head.lstrip(b"\n"))
    line, start = _line_at(head, start)
    named = _named_delimiter(line)
    if named:
        line, start = _line_at(head, start)
    if len(line) > MAX_ROW_BYTES or (start >= len(head) and not is_whole):
        raise ImportRefused(
            "row_too_long", f"The header row is longer than {MAX_ROW_BYTES // 1024} KiB. Is this a CSV file?"
        )
    text = line.decode("utf-8")
    if not text.strip():
        raise ImportRefused("empty_file", "The file has no header row.")
    candidates = (named,) if named else DELIMITERS
    splits = [(delimiter, _split(text, delimiter)) for delimiter in candidates]
    delimiter, header = max(splits, key=lambda split: (any(map(is_phone_column, split[1])), len(split[1])))
    if not header:
        raise ImportRefused(
            "bad_header", "The quotes in the header row do not match. Write one column name per cell, on one line."
        )
    if is_whole and not head[start:].strip():
        raise ImportRefused("empty_file", "The file has a header row but no rows of data.")
    return CsvDialect(encoding, delimiter, tuple(header), start)


def _line_at(head: bytes, start: int) -> tuple[bytes, int]:
    end = head.find(b"\n", start)
    return (head[start:], len(head)) if end < 0 else (head[start:end], end + 1)


def _named_delimiter(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip(' "\ufeff')
    if text.lower().startswith("sep=") and len(text) == 5 and text[4] in DELIMITERS:
        return text[4]
    return "\t" if line.rstrip(b"\n").lower() == b"sep=\t" else ""


def _split(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def clean_cell(cell: str) -> str:
    """A cell without surrounding space, in composed form, and without the quote that export puts before a formula."""
    text = cell.strip()
    if text.startswith("'") and text[1:].startswith(_FORMULA_START):
        text = text[1:]
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def escape_cell(text: str) -> str:
    """A cell that no spreadsheet runs as a formula; `clean_cell` takes the added quote off again.

    Source: OWASP ASVS 5.0.0, 1.2.10.
    """
    return f"'{text}" if text.startswith(_FORMULA_START) else text


def escape_row(cells: Sequence[object]) -> list[str]:
    """One row for an exported CSV, every text made safe by `escape_cell`; numbers stay numbers."""
    return [escape_cell(cell) if isinstance(cell, str) else str(cell) for cell in cells]
