"""Rows a second of a customer import into PostgreSQL, end to end, against COPY of the same file in the same run.

End to end means from the uploaded bytes to entries on a list: judging the file, reading every cell, parsing every
number, upserting customers and entries. COPY only stores the lines, once without any index and once with a unique
index on the number; it is the ceiling, not a rival.

Options: `--rows=N` (default 200000), `--repeats=N` (default 3). A server is started for the run unless DATABASE_URL
names an empty database.
"""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.installation import installation

FIRST_NAMES = ("An", "Bình", "Chi", "Dũng", "Hà", "Hùng", "Lan", "Minh", "Ngọc", "Phương")
PLANS = ("Vàng", "Bạc", "Đồng")


def main(argv: list[str]) -> None:
    """Run the benchmark in a process of its own, so that its memory is its own, and print the medians."""
    options = _options(argv)
    with installation() as environment:
        arguments = [f"--rows={options.rows}", f"--repeats={options.repeats}", f"--measure={environment['DATA_DIR']}"]
        output = subprocess.run(
            [sys.executable, "-m", "benchmarks.imports", *arguments],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    figures = json.loads(output.splitlines()[-1])
    _print(options.rows, figures)


def _options(argv: list[str]) -> Namespace:
    parser = ArgumentParser(prog="benchmarks imports")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", type=Path, help="for the process that measures")
    return parser.parse_args(argv)


def _print(rows: int, figures: dict[str, list[float]]) -> None:
    ceiling = rows / statistics.median(figures["copy_unique"])
    print(f"{rows:,} rows of four columns, 2 % bad, 5 % repeated; median of {len(figures['import'])} runs")
    for name, label in (
        ("copy", "COPY, no index"),
        ("copy_unique", "COPY, unique number"),
        ("import", "import, empty list"),
        ("import_again", "import, same file again"),
    ):
        per_s = rows / statistics.median(figures[name])
        print(f"  {label:24} {per_s:>10,.0f} rows/s   {per_s / ceiling:5.0%} of COPY with a unique index")
    print(f"  peak memory of the importing process: {figures['peak_rss_mib'][0]:,.0f} MiB")


def write_file(path: Path, rows: int) -> None:
    """A list as a sales department exports it: mostly national mobiles, some repeated, some not numbers at all."""
    source = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        file.write("số điện thoại,họ tên,gói,ngày hết hạn\n")
        for number in range(rows):
            kind = source.random()
            phone = f"09{source.randrange(max(number, 1)) if kind < 0.05 else number:08d}"
            if kind > 0.98:
                phone = source.choice(("", "8.4912E+10", "không có", "12"))
            name = f"Nguyễn {source.choice(FIRST_NAMES)} {number}"
            file.write(f"{phone},{name},{source.choice(PLANS)},2026-{number % 12 + 1:02d}-01\n")


def _measure(options: Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    path = options.measure / "customers.csv"
    write_file(path, options.rows)
    figures: dict[str, list[float]] = {"copy": [], "copy_unique": [], "import": [], "import_again": []}
    for _ in range(options.repeats):
        figures["copy"].append(_copy_s(path, "text"))
        figures["copy_unique"].append(_copy_s(path, "text", is_unique=True))
        _empty_tables()
        figures["import"].append(_import_s(path))
        figures["import_again"].append(_import_s(path))
    figures["peak_rss_mib"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    print(json.dumps(figures))


def _copy_s(path: Path, phone_type: str, *, is_unique: bool = False) -> float:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE peer (line_number serial, phone {phone_type}, name text, plan text, due text)"
        )
        if is_unique:
            # The file repeats numbers, so the line number keeps them apart; the index is as wide as a real one.
            cursor.execute("CREATE UNIQUE INDEX ON peer (phone, line_number)")
        started_s = time.perf_counter()
        with (
            path.open("rb") as file,
            cursor.copy("COPY peer (phone, name, plan, due) FROM STDIN WITH (FORMAT csv, HEADER)") as copy,
        ):
            while chunk := file.read(262_144):
                copy.write(chunk)
        elapsed_s = time.perf_counter() - started_s
        cursor.execute("DROP TABLE peer")
    return elapsed_s


def _import_s(path: Path) -> float:
    from django.utils import timezone

    from campaigns.models import CustomerList
    from campaigns.services.imports import create_import, run_import

    target, _ = CustomerList.objects.get_or_create(name="Benchmark")
    started_s = time.perf_counter()
    with path.open("rb") as file:
        job = create_import(list_id=target.pk, file=file, file_name=path.name, user=None, now=timezone.now())
    job = run_import(job.pk, clock=timezone.now)
    elapsed_s = time.perf_counter() - started_s
    assert job.state == "done", job.error
    assert job.rows_total == job.rows_accepted + job.rows_duplicate + job.rows_rejected
    return elapsed_s


def _empty_tables() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_customer, campaigns_customerlist CASCADE")


if __name__ == "__main__":
    _measure(_options(sys.argv[1:]))
