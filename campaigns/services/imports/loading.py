"""Putting one block of good rows on a list, set-based: the same statements on PostgreSQL and SQLite.

The rows go into a temporary table (COPY on PostgreSQL) and from there into customers and entries. A number that an
earlier row of the same file had is left alone; one that was on the list before gets this file's attributes.

Nested scalar subqueries look customers and entries up: what is left to the planner is one probe of a unique index for
every row. Given a join, and no statistics yet, PostgreSQL was seen to walk the whole list for every row instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.policies.import_rows import CustomerRow

_FORGET_SEEN = """
    DELETE FROM import_block WHERE
    (SELECT e.last_import_id FROM campaigns_listentry e WHERE e.list_id = %s AND e.customer_id =
       (SELECT c.id FROM campaigns_customer c WHERE c.phone_number = import_block.phone_number)) = %s
"""
_COUNT_KNOWN = """
    SELECT count(*) FROM import_block WHERE
    (SELECT e.id FROM campaigns_listentry e WHERE e.list_id = %s AND e.customer_id =
       (SELECT c.id FROM campaigns_customer c WHERE c.phone_number = import_block.phone_number)) IS NOT NULL
"""
_COUNT_ALL = "SELECT count(*) FROM import_block"
_UPSERT_CUSTOMERS = """
    INSERT INTO campaigns_customer (phone_number, name, timezone, attributes, created_at, updated_at)
    SELECT phone_number, name, timezone, attributes, %s, %s FROM import_block WHERE true ORDER BY phone_number
    ON CONFLICT (phone_number) DO UPDATE SET
        name = CASE WHEN excluded.name = '' THEN campaigns_customer.name ELSE excluded.name END,
        timezone = CASE WHEN excluded.timezone = '' THEN campaigns_customer.timezone ELSE excluded.timezone END,
        attributes = {merge}(campaigns_customer.attributes, excluded.attributes),
        updated_at = excluded.updated_at
"""
_UPSERT_ENTRIES = """
    INSERT INTO campaigns_listentry (list_id, customer_id, attributes, import_job_id, last_import_id)
    SELECT %s, (SELECT id FROM campaigns_customer c WHERE c.phone_number = import_block.phone_number),
           attributes, %s, %s
      FROM import_block WHERE true ORDER BY phone_number
    ON CONFLICT (list_id, customer_id) DO UPDATE SET
        attributes = excluded.attributes, last_import_id = excluded.last_import_id
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a block's rows: new on the list, or a number the list or the file had already."""

    accepted: int
    duplicate: int


@dataclass(frozen=True, slots=True)
class _Database:
    """What the two databases say differently."""

    create_block: str
    merge_attributes: str
    fill_block: Callable[[Any, Sequence[CustomerRow]], None]


def _copy(cursor: Any, rows: Sequence[CustomerRow]) -> None:
    with cursor.copy("COPY import_block (phone_number, name, timezone, attributes) FROM STDIN") as copy:
        copy.write("".join([_copy_line(row) for row in rows]))


_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def _copy_line(row: CustomerRow) -> str:
    """One row in COPY's text format. Number and time zone are of known shape and need no escaping."""
    name = row.name.translate(_COPY_ESCAPES)
    attributes = row.attributes.replace("\\", "\\\\")
    return f"{row.phone_number}\t{name}\t{row.timezone}\t{attributes}\n"


def _insert_many(cursor: Any, rows: Sequence[CustomerRow]) -> None:
    cursor.executemany(
        "INSERT INTO import_block (phone_number, name, timezone, attributes) VALUES (%s, %s, %s, %s)",
        [(row.phone_number, row.name, row.timezone, row.attributes) for row in rows],
    )


_DATABASES: Mapping[str, _Database] = {
    "postgresql": _Database(
        create_block="CREATE TEMP TABLE IF NOT EXISTS import_block"
        " (phone_number varchar(16), name varchar(200), timezone varchar(64), attributes jsonb) ON COMMIT DROP",
        merge_attributes="jsonb_concat",
        fill_block=_copy,
    ),
    "sqlite": _Database(
        create_block="CREATE TEMP TABLE IF NOT EXISTS import_block"
        " (phone_number text, name text, timezone text, attributes text)",
        merge_attributes="json_patch",
        fill_block=_insert_many,
    ),
}


def load_rows(rows: Sequence[CustomerRow], *, list_id: int, job_id: int, now: datetime, is_first_block: bool) -> Loaded:
    """Put rows on a list; must be called inside a transaction. Numbers may repeat within `rows`: the first wins."""
    first_by_number: dict[str, CustomerRow] = {}
    for row in rows:
        first_by_number.setdefault(row.phone_number, row)
    if not first_by_number:
        return Loaded(0, 0)
    database = _DATABASES[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(database.create_block)
        cursor.execute("DELETE FROM import_block")
        database.fill_block(cursor, list(first_by_number.values()))
        if not is_first_block:
            cursor.execute(_FORGET_SEEN, [list_id, job_id])
        total = _count(cursor, _COUNT_ALL, [])
        accepted = total - _count(cursor, _COUNT_KNOWN, [list_id])
        if total:
            cursor.execute(_UPSERT_CUSTOMERS.format(merge=database.merge_attributes), [now, now])
            cursor.execute(_UPSERT_ENTRIES, [list_id, job_id, job_id])
    return Loaded(accepted, len(rows) - accepted)


def _count(cursor: Any, sql: str, parameters: Sequence[Any]) -> int:
    cursor.execute(sql, parameters)
    return int(cursor.fetchone()[0])
