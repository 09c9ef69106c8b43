"""Inserting many rows that differ in a few columns, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model


def insert_alike(like: Model, varying: Sequence[str], rows: Sequence[Sequence[Any]]) -> set[Any]:
    """Insert rows that are `like` but for the columns in `varying`; returns the first of those columns of all it wrote.

    Rows are written in their order; one that a unique index refuses is left out. A third of what `bulk_create` costs,
    which prepares every column of every row.
    """
    if not rows:
        return set()
    fields = {field.attname: field for field in like._meta.concrete_fields if not _is_made_by_database(field)}
    alike = {name: field for name, field in fields.items() if name not in varying}
    columns = {attname: connection.ops.quote_name(str(field.column)) for attname, field in fields.items()}
    place = f"({', '.join(['%s'] * len(varying))})"
    # Only names of tables and columns and placeholders are put into the text; every value travels as a parameter.
    statement = """
        WITH given ({varying}) AS (VALUES {places})
        INSERT INTO {table} ({varying}, {alike}) SELECT {varying}, {values} FROM given WHERE true
        ON CONFLICT DO NOTHING RETURNING {first}
    """.format(  # noqa: S608  see above
        table=connection.ops.quote_name(like._meta.db_table),
        varying=", ".join(columns[attname] for attname in varying),
        alike=", ".join(columns[attname] for attname in alike),
        values=", ".join(["%s"] * len(alike)),
        places=", ".join([place] * len(rows)),
        first=columns[varying[0]],
    )
    stored = [
        fields[column].get_db_prep_save(value, connection)
        for row in rows
        for column, value in zip(varying, row, strict=True)
    ]
    stored += [field.get_db_prep_save(field.pre_save(like, True), connection) for field in alike.values()]
    with connection.cursor() as cursor:
        cursor.execute(statement, stored)
        return {fields[varying[0]].to_python(value) for (value,) in cursor.fetchall()}


def _is_made_by_database(field: Any) -> bool:
    return bool(field.primary_key and field.get_internal_type().endswith("AutoField"))
