"""The sample campaign of `make run`: real lists, the real dialer and bridge, and the simulator in PSR's place.

It goes the way a manager would: import a file, make a campaign, launch it. Its trunk is its own and points at the
simulator, so that a demo can never ring a real phone.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone

from campaigns.enums import AgentKind, CampaignState, ContactState
from campaigns.models import Agent, Campaign, CustomerList, Trunk
from campaigns.policies.calling_window import WEEKDAYS
from campaigns.queries.stats import campaign_stats
from campaigns.services.campaigns import launch
from campaigns.services.imports import create_import, run_import
from telephony.simulator.sample import sample_csv

NAME = "Sample: customer survey"
LIST_NAME = "Sample customers"
REPORT_EVERY_S = 3.0
AROUND_THE_CLOCK = {"timezone": "", "days": {day: [["00:00", "24:00"]] for day in WEEKDAYS}}
CALLS_AT_ONCE = 12
RING_TIMEOUT_S = 8
CALLS_PER_SECOND = 2.0


@dataclass(slots=True)
class Demo:
    """The sample campaign and its progress on the terminal."""

    simulator_url: str
    token: str
    say: Callable[[str], None]
    campaign_id: int = 0
    _next_report_s: float = 0.0
    _last_line: str = ""
    _is_over: bool = False

    @property
    def page(self) -> str:
        """The path of the campaign's page."""
        return reverse("campaign", args=[self.campaign_id])

    def launch(self) -> None:
        """Import the sample list and launch the campaign; go on with an unfinished one instead."""
        now = timezone.now()
        trunk, _ = Trunk.objects.update_or_create(
            name="Simulator",
            defaults={
                "base_url": self.simulator_url,
                "token": self.token,
                "hold": "",
                "max_concurrent_calls": CALLS_AT_ONCE,
                "calls_per_second": CALLS_PER_SECOND,
            },
        )
        running = Campaign.objects.filter(trunk=trunk, state=CampaignState.RUNNING).first()
        if running:
            self.campaign_id = running.pk
            self.say(f"going on with “{running.name}”")
            return
        customers = self._import(LIST_NAME)
        agent, _ = Agent.objects.get_or_create(name="Survey agent", defaults={"kind": AgentKind.SCRIPTED})
        count = Campaign.objects.filter(name__startswith=NAME).count()
        campaign = Campaign.objects.create(
            name=NAME if not count else f"{NAME} {count + 1}",
            agent=agent,
            trunk=trunk,
            max_concurrent_calls=CALLS_AT_ONCE,
            calls_per_second=CALLS_PER_SECOND,
            ring_timeout_s=RING_TIMEOUT_S,
            # A redial would come a quarter of an hour later; a newcomer wants to see the end.
            max_attempts=1,
            calling_window=AROUND_THE_CLOCK,
            parameter_template={"name": "{{ customer.name }}", "title": "{{ attributes.title }}"},
        )
        campaign.customer_lists.add(customers)
        self.campaign_id = campaign.pk
        launch(campaign.pk, now=now)
        self.say(f"launched “{campaign.name}” with {customers.entries.count()} customers")

    def report(self) -> bool:
        """Print the progress now and then; True once the campaign is over."""
        if time.monotonic() < self._next_report_s:
            return self._is_over
        self._next_report_s = time.monotonic() + REPORT_EVERY_S
        stats = campaign_stats(self.campaign_id, timezone.now())
        total = sum(stats.contacts.values())
        final = total - stats.contacts.get(ContactState.PENDING, 0) - stats.contacts.get(ContactState.DIALING, 0)
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(stats.outcomes.items()) if count)
        line = f"{final}/{total} customers finished · {stats.live_calls} live · {outcomes or 'no call has ended yet'}"
        if line != self._last_line:
            self.say(line)
            self._last_line = line
        state = Campaign.objects.values_list("state", flat=True).get(pk=self.campaign_id)
        if state == CampaignState.FINISHED and not self._is_over:
            self._is_over = True
            self.say("the sample campaign is finished; the platform goes on running (Ctrl-C stops it)")
        return self._is_over

    def _import(self, name: str) -> CustomerList:
        customers, _ = CustomerList.objects.get_or_create(name=name)
        job = create_import(
            list_id=customers.pk,
            file=io.BytesIO(sample_csv(seed=1).encode()),
            file_name="sample-customers.csv",
            user=None,
            now=timezone.now(),
        )
        run_import(job.pk, clock=timezone.now)
        job.refresh_from_db()
        self.say(
            f"imported {job.rows_accepted} customers, refused {job.rows_rejected} rows (the reasons are in the admin)"
        )
        return customers
