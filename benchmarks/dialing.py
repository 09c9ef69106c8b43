"""Claims a second, and calls placed a second by the whole of `place_call`, against plain httpx posting in the same run.

The endpoint answers at once and does nothing, so what is measured is our own cost. Posting the same form with one plain
`httpx.Client` is the peer. Runs on PostgreSQL started for it, unless DATABASE_URL names an empty database.

Options: `--calls=N` (default 300).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.servers import start_postgres

REPEATS = 3
BATCH = 50
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def main(argv: list[str]) -> None:
    """Run in a process of its own with its own database, and print the medians."""
    options = _options(argv)
    given = os.environ.get("DATABASE_URL", "")
    with (
        tempfile.TemporaryDirectory(prefix="trunkline-bench-") as directory,
        nullcontext(given) if given.startswith("postgres") else start_postgres() as url,
    ):
        environment = os.environ | {
            "DATABASE_URL": url,
            "DATA_DIR": directory,
            "SECRET_KEY": "benchmark-" + "0123456789abcdef" * 3,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, "-m", "benchmarks.dialing", f"--calls={options.calls}"]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"claims, {BATCH} at a time:         {figures['claims_per_s']:7.0f} /s, {figures['claim_ms']:.1f} ms each")
    print(f"place_call, one thread:       {figures['placed_per_s']:7.0f} /s")
    print(f"plain httpx POST, one thread: {figures['posted_per_s']:7.0f} /s")
    print(f"place_call / plain POST:      {figures['placed_per_s'] / figures['posted_per_s']:7.2f}")


def measure(calls: int) -> dict[str, float]:
    """The figures, as medians of three rounds. Django must be set up, on an empty database."""
    from django.core.management import call_command
    from django.utils import timezone

    from campaigns.enums import AttemptState
    from campaigns.models import CallAttempt
    from campaigns.services.claiming import Claimed, claim_due
    from campaigns.tasks.dialing import place_call

    call_command("migrate", verbosity=0)
    claim_s: list[float] = []
    placed_per_s, posted_per_s = [], []
    with _endpoint() as base_url:
        trunk_id = _fill(base_url, calls * REPEATS)
        for _ in range(REPEATS):
            claims: list[Claimed] = []
            while len(claims) < calls:
                started_s = time.perf_counter()
                claims += claim_due(trunk_id, now=timezone.now())
                claim_s.append(time.perf_counter() - started_s)
            started_s = time.perf_counter()
            for claim in claims:
                place_call(attempt_id=str(claim.attempt_id), fence=claim.fence)
            placed_per_s.append(len(claims) / (time.perf_counter() - started_s))
            assert CallAttempt.objects.filter(state=AttemptState.PLACED).count() == len(claims)
            CallAttempt.objects.all().delete()
            posted_per_s.append(_post_plainly(base_url, calls))
    claim_median_s = statistics.median(claim_s)
    return {
        "claims_per_s": BATCH / claim_median_s,
        "claim_ms": claim_median_s * 1000,
        "placed_per_s": statistics.median(placed_per_s),
        "posted_per_s": statistics.median(posted_per_s),
    }


def _fill(base_url: str, contacts: int) -> int:
    from django.utils import timezone

    from campaigns.models import BridgeNode, Contact, Customer
    from tests.factories import make_campaign, make_trunk

    now = timezone.now()
    BridgeNode.objects.create(name="bench", capacity=100_000, seen_at=now + timedelta(days=1))
    limits: dict[str, Any] = {"calls_per_second": 1e6, "max_concurrent_calls": 100_000}
    trunk = make_trunk(base_url=base_url, **limits)
    window = {"days": {day: [["00:00", "24:00"]] for day in DAYS}}
    campaign = make_campaign(trunk=trunk, calling_window=window, **limits)
    customers = Customer.objects.bulk_create(
        [Customer(phone_number=f"+8491{n:07}", timezone="UTC", attributes={}) for n in range(contacts)]
    )
    Contact.objects.bulk_create(
        Contact(campaign=campaign, customer=one, phone_number=one.phone_number, timezone="UTC", next_attempt_at=now)
        for one in customers
    )
    return trunk.pk


def _post_plainly(base_url: str, calls: int) -> float:
    form = {"url": (None, "wss://x/psr/" + "t" * 160), "destination": (None, "0912345678"), "app": (None, "bot")}
    with httpx.Client(trust_env=False, headers={"Connection": "close"}) as client:
        started_s = time.perf_counter()
        for _ in range(calls):
            client.post(f"{base_url}/psr/v1/call/stream", files=form).raise_for_status()
        return calls / (time.perf_counter() - started_s)


@contextmanager
def _endpoint() -> Iterator[str]:
    serial = iter(range(10**9))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"code": "OK", "data": {"call_id": f"bench-{next(serial)}"}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _options(argv: Sequence[str]) -> Any:
    parser = ArgumentParser(prog="benchmarks dialing")
    parser.add_argument("--calls", type=int, default=300)
    return parser.parse_args(argv)


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(measure(_options(sys.argv[1:]).calls)))
