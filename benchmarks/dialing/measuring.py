"""The measurements themselves. Django must be set up, on an empty database."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import httpx
from django.core.management import call_command
from django.utils import timezone

from benchmarks.dialing import world
from campaigns.enums import AttemptState, CampaignState
from campaigns.models import CallAttempt, Campaign, CustomerList, Trunk
from campaigns.queries.blockers import blockers
from campaigns.queries.launch_plan import plan_step
from campaigns.queries.launch_report import launch_report
from campaigns.queries.metrics import platform_metrics
from campaigns.queries.overview import overview
from campaigns.queries.stats import campaign_stats
from campaigns.services.campaigns import finish_all, launch
from campaigns.services.canaries import judge_canaries
from campaigns.services.claiming import CLAIM_BATCH, Claimed, claim_due
from campaigns.services.contact_filling import fill_block
from campaigns.states import CampaignAction
from campaigns.tasks.dialing import place_call
from tests.factories import make_campaign, make_trunk

CLAIMS: Final = 60
TICKS: Final = 15
REPEATS: Final = 3
LAUNCHED_MAX: Final = 1_000_000


def measure(calls: int, sizes: list[int], *, only_claims: bool) -> dict[str, Any]:
    """Every figure, or those of claims."""
    call_command("migrate", verbosity=0)
    now = timezone.now()
    world.add_bridge(now)
    load = [os.getloadavg()[0]]
    with _endpoint() as base_url:
        trunk = make_trunk("Claims", base_url=base_url, **world.NO_LIMITS)
        campaign = world.add_campaign("Claims", trunk, now)
        claims: dict[int, dict[str, float]] = {}
        for first, size in zip([0, *sizes], sizes, strict=False):
            world.grow(campaign, first, size, now)
            world.settle()
            claims[size] = _claims(trunk)
        if only_claims:
            return {"claims": claims, "load": [*load, os.getloadavg()[0]]}
        placed, posted = _calls(trunk, base_url, calls)
    load.append(os.getloadavg()[0])
    world.add_history(campaign, now)
    everybody = world.add_list(min(sizes[-1], LAUNCHED_MAX))
    world.settle()
    pages = _pages(campaign, everybody)
    Campaign.objects.update(state=CampaignState.PAUSED)
    figures = {"claims": claims, "placed": placed, "posted": posted, "pages": pages, "of_contacts": sizes[-1]}
    figures |= {"tick": _ticks(), "launch": _launch(everybody)}
    return figures | {"load": [*load, os.getloadavg()[0]]}


def _claims(trunk: Trunk) -> dict[str, float]:
    elapsed_ms = []
    for _ in range(CLAIMS):
        started_s = time.perf_counter()
        claimed = claim_due(trunk.pk, now=timezone.now())
        elapsed_ms.append((time.perf_counter() - started_s) * 1000)
        assert len(claimed) == CLAIM_BATCH
        if len(elapsed_ms) % 20 == 0:
            world.rest()
    return {"p50": statistics.median(elapsed_ms), "p99": statistics.quantiles(elapsed_ms, n=100)[98]}


def _calls(trunk: Trunk, base_url: str, calls: int) -> tuple[dict[str, float], dict[str, float]]:
    """Calls placed, and forms plainly posted, in turn."""
    form = {"url": (None, "wss://x/psr/" + "t" * 160), "destination": (None, "0912345678"), "app": (None, "bot")}
    placed, posted = [], []
    with httpx.Client(trust_env=False, headers={"Connection": "close"}) as client:
        for _ in range(2 * REPEATS):
            round_of_ours = _place_all(trunk, calls)
            if round_of_ours is not None:
                placed.append(round_of_ours)
                posted.append(
                    _rate(lambda: client.post(f"{base_url}/psr/v1/call/stream", files=form).raise_for_status(), calls)
                )
            if len(placed) == REPEATS:
                break
    return _medians(placed), _medians(posted)


def _place_all(trunk: Trunk, calls: int) -> tuple[float, float] | None:
    """The rate of placing so many calls; None where the machine slept over one, whose claim or marker then lapsed."""
    claims: list[Claimed] = []
    while len(claims) < calls:
        claims += claim_due(trunk.pk, now=timezone.now())
    waiting = iter(claims)

    def place() -> None:
        claim = next(waiting)
        place_call(attempt_id=str(claim.attempt_id), fence=claim.fence)

    rate = _rate(place, calls)
    is_whole = CallAttempt.objects.filter(state=AttemptState.PLACED).count() == calls
    world.rest()
    return rate if is_whole else None


def _rate(once: Callable[[], object], times: int) -> tuple[float, float]:
    """How often a second, and what it costs of this process's CPU, ms."""
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    for _ in range(times):
        once()
    return times / (time.perf_counter() - started_s), (time.process_time() - started_cpu_s) * 1000 / times


def _medians(rounds: list[tuple[float, float]]) -> dict[str, float]:
    per_s, cpu_ms = zip(*rounds, strict=True)
    return {"per_s": statistics.median(per_s), "cpu_ms": statistics.median(cpu_ms)}


def _pages(campaign: Campaign, everybody: CustomerList) -> dict[str, float]:
    now = timezone.now()
    draft = make_campaign("Draft", state=CampaignState.DRAFT, trunk=campaign.trunk, calling_window=world.ALWAYS)
    draft.customer_lists.add(everybody)
    asked: dict[str, Callable[[], object]] = {
        "finish_all": lambda: finish_all(now=now),
        "blockers": lambda: blockers(campaign, now),
        "stats, the first time in 10 s": lambda: campaign_stats(campaign.pk, timezone.now() + next(later)),
        "first page": lambda: overview(now),
        "metrics": lambda: platform_metrics(now),
        "launch plan": lambda: plan_step(draft, CampaignAction.LAUNCH, now),
        "report before the launch": lambda: launch_report(draft, now, random.Random(1)),
    }
    later = (timedelta(minutes=minute) for minute in range(99))
    return {name: _median_ms(ask) for name, ask in asked.items()}


def _median_ms(ask: Callable[[], object]) -> float:
    ask()
    return statistics.median(1000 / _rate(ask, 1)[0] for _ in range(REPEATS))


def _ticks() -> dict[str, float]:
    """What a tick does before it sends its claims on their way: ten campaigns on each of ten trunks."""
    now = timezone.now()
    trunks = [make_trunk(f"Tick {n}", calls_per_second=5, max_concurrent_calls=1000) for n in range(10)]
    for number in range(100):
        campaign = world.add_campaign(f"Tick {number}", trunks[number % 10], now)
        world.add_contacts(campaign, number * 100, number * 100 + 100, now)
    world.settle()
    elapsed_ms, claimed = [], []
    for _ in range(TICKS):
        # The pace of the trunks must allow calls again.
        time.sleep(0.5)
        started_s = time.perf_counter()
        claimed.append(sum(len(claim_due(trunk.pk, now=timezone.now())) for trunk in trunks))
        judge_canaries(now=now)
        finish_all(now=now)
        elapsed_ms.append((time.perf_counter() - started_s) * 1000)
    world.rest()
    Campaign.objects.filter(name__startswith="Tick").update(state=CampaignState.PAUSED)
    return {"p50": statistics.median(elapsed_ms), "claimed": statistics.mean(claimed)}


def _launch(everybody: CustomerList) -> dict[str, float]:
    trunk = make_trunk("Launch", **world.NO_LIMITS)
    campaign = make_campaign("Launch", state=CampaignState.DRAFT, trunk=trunk, calling_window=world.ALWAYS)
    campaign.customer_lists.add(everybody)
    started_s = time.perf_counter()
    launch(campaign.pk, now=timezone.now())
    launched_s = time.perf_counter()
    fill_block(campaign.pk, now=timezone.now())
    first_s = time.perf_counter()
    while fill_block(campaign.pk, now=timezone.now()):
        pass
    return {
        "contacts": everybody.entries.count(),
        "launch_ms": (launched_s - started_s) * 1000,
        "first_ms": (first_s - started_s) * 1000,
        "all_s": time.perf_counter() - started_s,
    }


@contextmanager
def _endpoint() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.dialing.endpoint"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
