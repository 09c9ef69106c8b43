"""Stops, blackout dates, do-not-call lists, profiles and overrides over the API."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile

from campaigns.enums import RuleProfileName
from campaigns.models import BlackoutDate, CampaignEvent, DialingStop, SuppressedNumber
from campaigns.policies.rule_profiles import PROFILES
from campaigns.queries.calling_rules import is_suppressed
from campaigns.services.dnc_lists import load_block
from tests.factories import NOW, make_attempt, make_campaign, make_trunk

NUMBER = "+84912345678"
WHY = "Agreed in writing with all of them."


def test_a_supervisor_stops_all_dialing_and_a_manager_lifts_it(supervisor, manager) -> None:
    stopped = supervisor.post("/api/v1/dialing-stops/", {"reason": "Wrong list"})
    assert (stopped.status_code, stopped.json()["reason"], stopped.json()["lifted_at"]) == (201, "Wrong list", None)
    assert DialingStop.objects.get().by == User.objects.get(username="api-supervisor")
    assert (stopped.json()["hangs_up"], stopped.json()["kind"]) == (False, "operator")
    assert supervisor.post("/api/v1/dialing-stops/lift/").status_code == 403
    assert manager.post("/api/v1/dialing-stops/lift/").json() == {"lifted": 1}
    assert manager.get("/api/v1/dialing-stops/").json()["results"][0]["lifted_at"] is not None


def test_a_stop_may_hang_up_live_calls(supervisor) -> None:
    stopped = supervisor.post("/api/v1/dialing-stops/", {"reason": "Wrong words", "hangs_up": True})
    assert (stopped.status_code, stopped.json()["hangs_up"]) == (201, True)
    assert DialingStop.objects.get().hangs_up


@pytest.mark.parametrize(
    "body", [{"reason": "r", "hangs_up": "soon"}, {}, {"reason": ""}, {"reason": "x" * 201}, {"reason": 1}]
)
def test_a_stop_needs_a_reason(manager, body) -> None:
    assert (manager.post("/api/v1/dialing-stops/", body).status_code, DialingStop.objects.count()) == (422, 0)


def test_a_blackout_date_is_set_again_without_harm(manager) -> None:
    path, campaign = "/api/v1/blackout-dates/", make_campaign()
    assert manager.post(path, {"date": "2027-04-30", "name": "A"}).status_code == 201
    again = manager.post(path, {"date": "2027-04-30", "name": "B"})
    assert (again.status_code, BlackoutDate.objects.get().name) == (201, "B")
    own = manager.post(path, {"date": "2027-04-30", "campaign": campaign.pk})
    assert manager.get(f"{path}?campaign={campaign.pk}").json()["results"] == [own.json()]
    assert manager.delete(f"{path}{own.json()['id']}/").status_code == 204
    assert BlackoutDate.objects.count() == 1


def test_many_dates_are_set_at_once(manager) -> None:
    answer = manager.post("/api/v1/blackout-dates/bulk/", {"text": "2027-02-05..2027-02-06 Tết\n2027-04-30"})
    assert [row["date"] for row in answer.json()] == ["2027-02-05", "2027-02-06", "2027-04-30"]


@pytest.mark.parametrize("text", ["", "\n", "soon", "2027-02-30"])
def test_what_names_no_date_is_refused(manager, text) -> None:
    assert manager.post("/api/v1/blackout-dates/bulk/", {"text": text}).status_code == 422
    assert manager.post("/api/v1/blackout-dates/", {"date": text}).status_code == 422
    assert not BlackoutDate.objects.exists()


def test_a_do_not_call_list_is_made_and_filled(manager, integrator, django_capture_on_commit_callbacks) -> None:
    made = manager.post("/api/v1/dnc-lists/", {"name": "Register", "region": "us"}).json()
    assert (made["region"], made["is_active"], made["current"]) == ("US", True, None)
    path = f"/api/v1/dnc-lists/{made['id']}/"
    file = SimpleUploadedFile("register.csv", NUMBER.encode())
    taken = integrator.post(f"{path}upload/", {"file": file}, format="multipart")
    assert (taken.status_code, taken.json()["state"]) == (202, "loading")
    while load_block(taken.json()["id"], now=NOW):
        pass
    assert is_suppressed(NUMBER, NOW)
    assert manager.get(path).json()["current"]["numbers"] == 1
    assert [row["state"] for row in manager.get(f"{path}versions/").json()["results"]] == ["current"]
    assert manager.patch(path, {"is_active": False}).status_code == 200
    assert not is_suppressed(NUMBER, NOW)


@pytest.mark.parametrize(
    ("content", "as_of", "code"), [(b"", None, "empty_file"), (b"1", "2999-01-01T00:00:00Z", "bad_as_of")]
)
def test_an_upload_is_refused_as_a_whole(manager, content, as_of, code) -> None:
    made = manager.post("/api/v1/dnc-lists/", {"name": "Register"}).json()
    body = {"file": SimpleUploadedFile("register.csv", content)} | ({"as_of": as_of} if as_of else {})
    answer = manager.post(f"/api/v1/dnc-lists/{made['id']}/upload/", body, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_region_must_be_a_country(manager) -> None:
    assert manager.post("/api/v1/dnc-lists/", {"name": "Register", "region": "zz"}).status_code == 422


def test_every_profile_is_told(supervisor) -> None:
    told = supervisor.get("/api/v1/rule-profiles/").json()
    assert [(row["name"], row["version"]) for row in told] == [(each.name, each.version) for each in PROFILES]
    ads = next(row for row in told if row["name"] == "vn_ads")
    assert (ads["hours"], ads["countries"], ads["needs_consent"]) == ([480, 1020], ["VN"], True)


def test_a_campaign_names_its_profile_and_tightens_it(manager) -> None:
    campaign = make_campaign()
    path = f"/api/v1/campaigns/{campaign.pk}/"
    tightened = manager.patch(path, {"calls_per_number_day": 1, "calls_per_number_week": 2, "number_gap_s": 60})
    assert tightened.status_code == 200
    assert (tightened.json()["rule_profile"], tightened.json()["number_gap_s"]) == ("custom", 60.0)
    # The profile and the consent column are settled at launch; the override has a route of its own.
    assert manager.patch(path, {"rule_profile": "vn_ads"}).status_code == 409
    assert manager.patch(path, {"rule_override": {"calls_per_day": 9}}).json()["code"] == "read_only"
    for fault in ({"calls_per_number_day": 0}, {"calls_per_number_week": 101}, {"number_gap_s": -1}):
        assert manager.patch(path, fault).status_code == 422


def test_rules_are_loosened_with_the_permission_and_a_reason(manager) -> None:
    campaign = make_campaign(rule_profile=RuleProfileName.VN_ADS)
    path = f"/api/v1/campaigns/{campaign.pk}/override-rules/"
    body = {"changes": {"calls_per_day": 2}, "reason": WHY}
    assert manager.post(path, body).json()["code"] == "forbidden"
    user = User.objects.get(username="api-manager")
    user.user_permissions.add(Permission.objects.get(codename="override_rules"))
    assert manager.post(path, body).json()["rule_override"] == {"calls_per_day": 2}
    assert CampaignEvent.objects.get().user == user
    refused = manager.post(path, {"changes": {"needs_consent": False}, "reason": WHY})
    assert (refused.status_code, refused.json()["code"]) == (422, "rules_kept")


def test_a_number_is_kept_from_one_campaign(manager) -> None:
    campaign = make_campaign()
    path = "/api/v1/suppressed-numbers/"
    own = manager.post(path, {"phone_number": NUMBER, "campaign": campaign.pk})
    everybodys = manager.post(path, {"phone_number": NUMBER})
    again = manager.post(path, {"phone_number": NUMBER, "campaign": campaign.pk})
    assert (own.status_code, everybodys.json()["campaign"], again.json()["id"]) == (201, None, own.json()["id"])
    assert manager.get(f"{path}?campaign={campaign.pk}").json()["count"] == 1
    manager.post(f"{path}bulk/", {"phone_numbers": ["0912345679"], "campaign": campaign.pk})
    assert SuppressedNumber.objects.filter(campaign=campaign).count() == 2


def test_a_trunk_names_the_countries_it_may_call(manager) -> None:
    path = f"/api/v1/trunks/{make_trunk().pk}/"
    assert manager.patch(path, {"allowed_countries": ["us", "VN"]}).json()["allowed_countries"] == ["US", "VN"]
    assert manager.patch(path, {"allowed_countries": ["Mars"]}).json()["code"] == "bad_country"


def test_an_attempt_tells_what_let_it_through(supervisor) -> None:
    make_attempt(allowed_by={"profile": "custom@1"})
    [attempt] = supervisor.get("/api/v1/call-attempts/").json()["results"]
    assert attempt["allowed_by"] == {"profile": "custom@1"}


def test_a_customer_of_another_country_is_refused(manager, settings) -> None:
    refused = manager.post("/api/v1/customers/", {"phone_number": "+6591234567"})
    assert (refused.status_code, refused.json()["code"]) == (422, "country_not_allowed")
    settings.ALLOWED_COUNTRIES = ["SG"]
    assert manager.post("/api/v1/customers/", {"phone_number": "+6591234567"}).status_code == 201
