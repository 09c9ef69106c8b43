"""docs/how-to/add-a-vendor.md is true to the letter."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import REPOSITORY, code, page, rows

PAGE = page("how-to/add-a-vendor.md")
CODEC, ENTRY = "telephony/protocols/twilio.py", "telephony/protocols/registry.py"


def test_the_files_it_names_are_there():
    named = [code(row[0]) for row in rows(PAGE)]

    assert named[:2] == [CODEC, ENTRY]
    assert [name for name in named if not (REPOSITORY / name).is_file()] == []


# A quotation that is no statement of its own is plain text: as Python it would be laid out anew.
@pytest.mark.parametrize("quoted", re.findall(r"```(?:python|text)\n(.+?)```", PAGE, re.DOTALL))
def test_what_it_quotes_stands_in_the_codec_or_in_the_registry(quoted: str):
    where = ENTRY if "ProtocolSpec(" in quoted else CODEC
    assert quoted in (REPOSITORY / where).read_text(encoding="utf-8")


def test_no_other_file_of_the_rooms_knows_the_vendor():
    knowing = {
        str(path.relative_to(REPOSITORY))
        for room in ("config", "campaigns", "bridge", "telephony")
        for path in (REPOSITORY / room).rglob("*.py")
        if re.search(r"protocols\.twilio|[\"']twilio|class Twilio", path.read_text(encoding="utf-8"))
    }
    assert knowing == {CODEC, ENTRY}
