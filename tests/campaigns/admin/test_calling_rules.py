"""The admin's pages of stops, blackout dates, do-not-call lists and overrides."""

from __future__ import annotations

from datetime import date

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from campaigns.enums import DncVersionState, RuleProfileName
from campaigns.models import BlackoutDate, Campaign, CampaignEvent, DialingStop, DncList, SuppressedNumber, Trunk
from campaigns.queries.calling_rules import is_suppressed, rules_of
from campaigns.services.dnc_lists import load_block
from tests.campaigns.admin.conftest import NOW, PHONE
from tests.factories import make_call

ADD_STOP = "admin:campaigns_dialingstop_add"
WHY = "Agreed in writing with all of them."


def test_a_manager_stops_all_dialing_and_lifts_the_stop(admin_client, admin_user) -> None:
    told = admin_client.post(reverse(ADD_STOP), {"reason": "Wrong list"}, follow=True)
    assert "Nothing is dialed any more. No call was live." in told.text
    stop = DialingStop.objects.get()
    assert (stop.reason, stop.by, stop.hangs_up, stop.lifted_at) == ("Wrong list", admin_user, False, None)
    assert "All dialing is stopped." in admin_client.get(reverse("admin:index")).text
    listed = reverse("admin:campaigns_dialingstop_changelist")
    for expected in ("1 stop was lifted.", "No stop was in force."):
        told = admin_client.post(listed, {"action": "lift", "_selected_action": [stop.pk]}, follow=True)
        assert expected in told.text
    stop.refresh_from_db()
    assert stop.lifted_by == admin_user


def test_a_stop_may_hang_up_and_says_how_many_calls_are_live(admin_client) -> None:
    make_call(duration_s=None)
    assert "1 call that campaigns have placed is live now" in admin_client.get(reverse(ADD_STOP)).text
    told = admin_client.post(reverse(ADD_STOP), {"reason": "Wrong words", "hangs_up": "on"}, follow=True)
    assert "1 live call is being hung up." in told.text
    assert DialingStop.objects.get().hangs_up


def test_a_stop_is_neither_edited_nor_deleted(admin_client) -> None:
    stop = DialingStop.objects.create(at=NOW, reason="Wrong list")
    for page in ("change", "delete"):
        answer = admin_client.post(reverse(f"admin:campaigns_dialingstop_{page}", args=[stop.pk]), {"reason": "x"})
        assert answer.status_code == 403


def test_blackout_dates_are_pasted_and_taken_away(admin_client, campaign) -> None:
    url = reverse("admin:campaigns_blackoutdate_add")
    pasted = "2027-02-05..2027-02-06 Tết\n2027-04-30, Reunification Day"
    assert admin_client.post(url, {"dates": pasted, "campaign": campaign.pk}).status_code == 302
    assert admin_client.post(url, {"dates": "2027-05-01", "campaign": ""}).status_code == 302
    assert BlackoutDate.objects.filter(campaign=campaign).count() == 3
    everybodys = BlackoutDate.objects.get(campaign=None)
    assert (everybodys.date, everybodys.name) == (date(2027, 5, 1), "")
    admin_client.post(reverse("admin:campaigns_blackoutdate_delete", args=[everybodys.pk]), {"post": "yes"})
    admin_client.post(
        reverse("admin:campaigns_blackoutdate_changelist"),
        {
            "action": "delete_selected",
            "post": "yes",
            "_selected_action": list(BlackoutDate.objects.values_list("pk", flat=True)),
        },
    )
    assert not BlackoutDate.objects.exists()
    assert CampaignEvent.objects.filter(campaign=campaign, kind="blackout_removed").count() == 3


@pytest.mark.parametrize(("dates", "text"), [("30/4", "is no date"), (" \n", "This field is required")])
def test_what_is_no_date_is_said(admin_client, dates, text) -> None:
    answer = admin_client.post(reverse("admin:campaigns_blackoutdate_add"), {"dates": dates, "campaign": ""})
    assert (answer.status_code, text in answer.text) == (200, True)


def test_a_do_not_call_list_is_uploaded(admin_client, admin_user) -> None:
    file = SimpleUploadedFile("register.csv", PHONE.encode())
    form = {"name": "Register", "region": "vn", "is_active": "on", "file": file}
    assert admin_client.post(reverse("admin:campaigns_dnclist_add"), form).status_code == 302
    row = DncList.objects.get()
    version = row.versions.get()
    assert (row.region, version.state, version.created_by) == ("VN", DncVersionState.LOADING, admin_user)
    while load_block(version.pk, now=NOW):
        pass
    assert is_suppressed(PHONE, NOW)
    change = reverse("admin:campaigns_dnclist_change", args=[row.pk])
    assert "In force." in admin_client.get(change).text
    row.versions.update(rejected=1)
    shown = admin_client.get(change).text
    assert "In force. 1 line could not be read." in shown
    assert f"{timezone.localtime(version.as_of):%Y-%m-%d %H:%M:%S}" in shown
    form = {"name": "Register", "region": ""}
    assert admin_client.post(change, form).status_code == 302
    row.refresh_from_db()
    assert (row.is_active, row.region, row.versions.count()) == (False, "", 1)
    assert admin_client.post(reverse("admin:campaigns_dnclist_delete", args=[row.pk])).status_code == 403


def test_an_upload_that_is_refused_says_why(admin_client, settings) -> None:
    url = reverse("admin:campaigns_dnclist_add")
    answer = admin_client.post(url, {"name": "R", "region": "zz", "as_of_0": "2999-01-01", "as_of_1": "00:00"})
    assert "is no country" in answer.text
    assert "has not come yet" in answer.text
    settings.IMPORT_MAX_BYTES = 3
    form = {"name": "R", "region": "", "file": SimpleUploadedFile("register.csv", PHONE.encode())}
    assert "The file is larger than 3 bytes." in admin_client.post(url, form, follow=True).text


def test_a_number_is_kept_from_one_campaign(admin_client, campaign) -> None:
    form = {"phone_number": PHONE, "campaign": campaign.pk, "reason": "", "source": "manual"}
    assert admin_client.post(reverse("admin:campaigns_suppressednumber_add"), form).status_code == 302
    assert SuppressedNumber.objects.get().campaign == campaign
    assert (is_suppressed(PHONE, NOW), is_suppressed(PHONE, NOW, campaign_id=campaign.pk)) == (False, True)


@pytest.mark.parametrize(("entered", "stored"), [("vn, us", ["US", "VN"]), ("", [])])
def test_a_trunk_names_its_countries(admin_client, trunk, entered, stored) -> None:
    form = {
        "name": trunk.name,
        "base_url": trunk.base_url,
        "auth_scheme": "Bearer",
        "dial_format": "national",
        "max_concurrent_calls": 1,
        "calls_per_second": 1,
        "allowed_countries": entered,
        "is_enabled": "on",
    }
    url = reverse("admin:campaigns_trunk_change", args=[trunk.pk])
    assert admin_client.post(url, form).status_code == 302
    assert Trunk.objects.get().allowed_countries == stored
    assert "is no country" in admin_client.post(url, form | {"allowed_countries": "Mars"}).text


def test_loosening_needs_the_permission_and_a_reason(client, admin_client, campaign) -> None:
    Campaign.objects.update(rule_profile=RuleProfileName.VN_ADS)
    url = reverse("admin:campaigns_campaign_rules", args=[campaign.pk])
    assert "Loosen the rules" in admin_client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).text
    assert admin_client.get(f"/admin/campaigns/campaign/{campaign.pk}/rules/").url == url
    assert "Profile vn_ads@1" in admin_client.get(url).text
    wrong = admin_client.post(url, {"hours": "17-8, 9-10", "calls_per_day": 2, "reason": "ok"})
    assert wrong.text.count('role="alert"') == 2
    night = admin_client.post(url, {"hours": "17:00-08:00", "reason": WHY})
    assert "run over midnight" in night.text
    form = {"hours": "8-19", "calls_per_day": 2, "min_gap_minutes": 5, "reason": WHY}
    assert admin_client.post(url, form).status_code == 302
    rules = rules_of(Campaign.objects.get(), NOW)
    assert (rules.hours, rules.calls_per_day, rules.min_gap_s) == ((480, 1140), 2, 300.0)
    assert CampaignEvent.objects.get(kind="rules_overridden").details["reason"] == WHY
    assert "08:00-19:00" in admin_client.get(url).text
    staff = User.objects.create_user("staff", is_staff=True, password="x")
    staff.user_permissions.add(Permission.objects.get(codename="change_campaign"))
    client.force_login(staff)
    assert client.get(url).status_code == 403
    shown = client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
    assert "Loosen the rules" not in shown.text


def test_a_customer_of_another_country_is_refused(admin_client) -> None:
    answer = admin_client.post(reverse("admin:campaigns_customer_add"), {"phone_number": "+6591234567"})
    assert "which this installation may not call" in answer.text
