"""Steps every end-to-end test of a campaign takes, all through the public API."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.e2e.harness import Platform, Simulator, eventually

AROUND_THE_CLOCK = {
    "timezone": "Asia/Ho_Chi_Minh",
    "days": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}
FINAL = {"done", "exhausted", "blocked", "canceled"}
# Attempts that ended so were never sent to the switch.
NEVER_SENT = {"released", "blocked", "canceled"}


def import_list(platform: Platform, name: str, csv: bytes) -> dict[str, Any]:
    """Upload a file and wait for the import's end; the import, with `list` as the list's id."""
    created = platform.post("customer-lists/", 201, json={"name": name})
    job = platform.post(f"customer-lists/{created['id']}/imports/", 202, files={"file": ("list.csv", csv, "text/csv")})

    def ended() -> dict[str, Any] | None:
        found = platform.get(f"imports/{job['id']}/")
        return found if found["state"] in ("done", "failed") else None

    return eventually("the import ends", ended, 60) | {"list": created["id"]}


def launch_campaign(platform: Platform, name: str, numbers: list[str], **fields: Any) -> dict[str, Any]:
    """Import the numbers and launch a campaign of the scripted agent over them."""
    rows = "".join(f"{number},Customer {index},gold\n" for index, number in enumerate(numbers))
    job = import_list(platform, f"list of {name}", f"phone,name,plan\n{rows}".encode())
    assert (job["state"], job["rows_accepted"]) == ("done", len(set(numbers)))
    agent = platform.post("agents/", 201, json={"name": f"agent of {name}", "kind": "scripted"})
    trunk = platform.every("trunks/")[0]
    changed = platform.api.patch(f"trunks/{trunk['id']}/", json={"max_concurrent_calls": 10, "calls_per_second": 5})
    assert changed.status_code == 200, changed.text
    campaign = platform.post(
        "campaigns/",
        201,
        json={
            "name": name,
            "customer_lists": [job["list"]],
            "agent": agent["id"],
            "trunk": trunk["id"],
            "app": "bot",
            "max_concurrent_calls": 10,
            "calls_per_second": 5,
            "ring_timeout_s": 5,
            "max_attempts": 1,
            "calling_window": AROUND_THE_CLOCK,
            "parameter_template": {"name": "{{ customer.name }}", "plan": "{{ attributes.plan }}"},
        }
        | fields,
    )
    return platform.post(f"campaigns/{campaign['id']}/launch/")


def wait_until_finished(platform: Platform, campaign: dict[str, Any], deadline_s: float = 180) -> None:
    """Wait for the campaign's end; a failure shows where its contacts stand."""

    def finished() -> bool:
        return platform.get(f"campaigns/{campaign['id']}/")["state"] == "finished"

    try:
        eventually(f"{campaign['name']} is finished", finished, deadline_s, 1.0)
    except AssertionError as error:
        contacts = platform.every("contacts/", campaign=campaign["id"])
        open_ones = [contact for contact in contacts if contact["state"] not in FINAL]
        raise AssertionError(f"{error}\n{open_ones}") from None


def calls_without_an_attempt(platform: Platform, simulator: Simulator, campaign: dict[str, Any]) -> dict[str, int]:
    """Numbers rung more often than attempts were really made, with the surplus: must be empty."""
    attempts = platform.every("call-attempts/", campaign=campaign["id"])
    made = Counter(
        attempt["phone_number"].replace("+84", "0") for attempt in attempts if attempt["outcome"] not in NEVER_SENT
    )
    rung = Counter(event["destination"] for event in simulator.ledger() if event["event"] == "placed")
    of_campaign = {attempt["phone_number"].replace("+84", "0") for attempt in attempts}
    return {number: rung[number] - made[number] for number in of_campaign if rung[number] > made[number]}
