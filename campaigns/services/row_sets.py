"""Writing many rows that differ in a few columns, in one statement.

What differs travels as one parameter, a JSON text: a place for each value would cost more than the writing itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connection
from django.db.models import Model

# The objects of a JSON list as the rows of a table `given`.
_GIVEN: Final = {
    "postgresql": "given AS (SELECT * FROM json_to_recordset(%s) AS given ({typed}))",
    "sqlite": "given ({names}) AS (SELECT {extracted} FROM json_each(%s))",
}


def insert_alike(like: Model, varying: Sequence[str], rows: Sequence[Sequence[Any]]) -> set[Any]:
    """Insert rows that are `like` but for the columns in `varying`; returns the first of those columns of all it wrote.

    Rows are written in their order; one that a unique index refuses is left out. `bulk_create` prepares every column of
    every row, and costs several times as much.
    """
    if not rows:
        return set()
    fields = _fields_of(like)
    alike = [name for name, field in fields.items() if name not in varying and not _is_made_by_database(field)]
    # Only names of tables and columns and placeholders are put into the text; every value travels as a parameter.
    statement = """
        WITH {given} INSERT INTO {table} ({varying}, {alike}) SELECT {varying}, {values} FROM given WHERE true
        ON CONFLICT DO NOTHING RETURNING {first}
    """.format(  # noqa: S608  see above
        given=_given(fields, varying),
        table=_quoted(like._meta.db_table),
        varying=_listed(fields[name].column for name in varying),
        alike=_listed(fields[name].column for name in alike),
        values=", ".join(["%s"] * len(alike)),
        first=_quoted(fields[varying[0]].column),
    )
    stored = [fields[name].get_db_prep_save(fields[name].pre_save(like, True), connection) for name in alike]
    with connection.cursor() as cursor:
        cursor.execute(statement, [_as_json(fields, varying, rows), *stored])
        return {fields[varying[0]].to_python(value) for (value,) in cursor.fetchall()}


def update_alike(
    model: type[Model], alike: Mapping[str, Any], varying: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Give rows the values in `alike`, and each its own in `varying`, the first of which is the key that names it."""
    if not rows:
        return
    fields = _fields_of(model)
    own = [f"{_quoted(fields[name].column)} = given.{_quoted(fields[name].column)}" for name in varying[1:]]
    same = [f"{_quoted(fields[name].column)} = %s" for name in alike]
    # As above.
    statement = "WITH {given} UPDATE {table} SET {changes} FROM given WHERE {table}.{key} = given.{key}".format(  # noqa: S608
        given=_given(fields, varying),
        table=_quoted(model._meta.db_table),
        changes=", ".join([*own, *same]),
        key=_quoted(fields[varying[0]].column),
    )
    stored = [fields[name].get_db_prep_save(value, connection) for name, value in alike.items()]
    with connection.cursor() as cursor:
        cursor.execute(statement, [_as_json(fields, varying, rows), *stored])


def _fields_of(model: Model | type[Model]) -> dict[str, Any]:
    return {field.attname: field for field in model._meta.concrete_fields}


def _given(fields: Mapping[str, Any], varying: Sequence[str]) -> str:
    names = [_quoted(fields[name].column) for name in varying]
    return _GIVEN[connection.vendor].format(
        names=", ".join(names),
        typed=", ".join(f"{name} {fields[of].db_type(connection)}" for name, of in zip(names, varying, strict=True)),
        extracted=", ".join(f"json_extract(value, '$.{fields[name].column}')" for name in varying),
    )


def _as_json(fields: Mapping[str, Any], varying: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    keys = [(fields[name].column, fields[name].get_db_prep_save) for name in varying]
    stored = [
        {column: prepare(value, connection) for (column, prepare), value in zip(keys, row, strict=True)} for row in rows
    ]
    return json.dumps(stored, default=str)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _is_made_by_database(field: Any) -> bool:
    return bool(field.primary_key and field.get_internal_type().endswith("AutoField"))
