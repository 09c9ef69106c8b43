"""Launching, pausing, resuming and canceling: told first, then done."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.enums import CampaignState, ContactState
from campaigns.models import Campaign, CampaignEvent, CustomerList, SuppressedNumber
from tests.campaigns.admin.conftest import NOW, PHONE
from tests.factories import make_agent, make_campaign, make_contact, make_customer, make_list


def step(action: str, *campaigns: Campaign) -> str:
    ids = ",".join(str(campaign.pk) for campaign in campaigns)
    return f"{reverse('admin:campaigns_campaign_step', args=[action])}?ids={ids}"


def change(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def test_the_page_shows_the_state_in_words(admin_client, campaign):
    page = admin_client.get(change(campaign)).text
    assert "Ready to launch." in page
    assert ">Draft<" in "".join(page.split())
    assert "(&#x27;draft&#x27;" not in page


@pytest.mark.parametrize(
    ("action", "name", "args"),
    [("clone", "clone_named", []), ("archive", "file", ["archive"]), ("unarchive", "file", ["unarchive"])],
)
def test_buttons_of_putting_away_lead_to_their_pages(admin_client, campaign, action, name, args):
    button = admin_client.get(reverse(f"admin:campaigns_campaign_{action}", args=[campaign.pk]))
    assert button.url == reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk, *args])


@pytest.mark.parametrize("action", ["launch", "pause", "resume", "cancel"])
def test_buttons_and_list_actions_lead_to_the_confirmation(admin_client, campaign, action):
    button = admin_client.get(reverse(f"admin:campaigns_campaign_{action}", args=[campaign.pk]))
    chosen = {"action": f"{action}_chosen", "_selected_action": [campaign.pk]}
    listed = admin_client.post(reverse("admin:campaigns_campaign_changelist"), chosen)
    assert [button.url, listed.url] == [step(action, campaign)] * 2


def test_launching_says_what_will_happen_and_then_does_it(admin_client, admin_user, campaign):
    SuppressedNumber.objects.create(phone_number=PHONE)
    asked = admin_client.get(step("launch", campaign))
    assert "1 customers become contacts of the campaign." in asked.text
    assert "1 of them are on a do-not-call list" in asked.text
    assert "Launch now" in asked.text
    assert Campaign.objects.get().state == CampaignState.DRAFT
    answer = admin_client.post(step("launch", campaign))
    assert (answer.status_code, answer.url) == (302, change(campaign))
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.RUNNING
    assert CampaignEvent.objects.get().user == admin_user


def test_what_stands_against_a_launch_is_said_and_no_button_shown(admin_client, campaign):
    Campaign.objects.update(parameter_template={"city": "{{ attributes.city }}"})
    campaign.trunk.token = ""
    campaign.trunk.save()
    asked = admin_client.get(step("launch", campaign))
    assert "The list “March” has no column city." in asked.text
    assert "has no address or no token" in asked.text
    assert "Launch now" not in asked.text
    answer = admin_client.post(step("launch", campaign), follow=True)
    assert "The list “March” has no column city." in answer.text
    assert Campaign.objects.get().state == CampaignState.DRAFT


@pytest.mark.parametrize(
    ("state", "action", "becomes"),
    [
        (CampaignState.RUNNING, "pause", CampaignState.PAUSED),
        (CampaignState.PAUSED, "resume", CampaignState.RUNNING),
        (CampaignState.RUNNING, "cancel", CampaignState.CANCELED),
        (CampaignState.FINISHED, "cancel", CampaignState.FINISHED),
        (CampaignState.DRAFT, "pause", CampaignState.DRAFT),
    ],
)
def test_steps_follow_the_table(admin_client, world, state, action, becomes):
    Campaign.objects.update(state=state, launched_at=NOW)
    campaign = world(Campaign)
    assert admin_client.get(step(action, campaign)).status_code == 200
    assert admin_client.post(step(action, campaign), follow=True).status_code == 200
    assert Campaign.objects.get().state == becomes


def test_several_campaigns_are_told_and_done_one_by_one(admin_client, campaign):
    other = Campaign.objects.create(name="Empty", trunk=campaign.trunk, agent=campaign.agent)
    asked = admin_client.get(step("launch", campaign, other))
    assert "Choose at least one customer list." in asked.text
    answer = admin_client.post(step("launch", campaign, other))
    assert answer.url == reverse("admin:campaigns_campaign_changelist")
    states = dict(Campaign.objects.values_list("name", "state"))
    assert states == {"Spring survey": CampaignState.RUNNING, "Empty": CampaignState.DRAFT}


@pytest.mark.parametrize("path", ["launch/?ids=", "launch/?ids=999", "finish/?ids=1", "launch/?ids=x,y"])
def test_steps_that_do_not_exist_are_not_found(admin_client, campaign, path):
    assert admin_client.get(f"/admin/campaigns/campaign/step/{path}").status_code == 404


def test_steps_need_the_permission(client, django_user_model, campaign):
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    assert client.post(step("launch", campaign)).status_code == 403
    assert Campaign.objects.get().state == CampaignState.DRAFT


def form_of(campaign: Campaign, **fields) -> dict[str, object]:
    return {
        "name": campaign.name,
        "customer_lists": [entry.pk for entry in campaign.customer_lists.all()],
        "agent": campaign.agent_id,
        "trunk": campaign.trunk_id,
        "app": "bot",
        "extensions": "",
        "channel": "",
        "is_silence": "on",
        "parameter_template_name": [""],
        "parameter_template_value": [""],
        "max_concurrent_calls": 5,
        "calls_per_second": 1,
        "max_attempts": 3,
        "priority": 0,
        "weight": 1,
        "ramp_up_minutes": 0,
        "canary_calls": 20,
        "canary_answered_min": 0.1,
        "canary_failed_max": 0.2,
        "rule_profile": "custom",
        "cadence_outcome": ["", "answered", ""],
        "cadence_disposition": ["", "not_now", ""],
        "cadence_waits": ["30 min", "next day", ""],
        "cadence_tries": ["", "2", ""],
        "calling_window_timezone": "",
        "calling_window_mon": "08:00-20:00",
        "starts_at_0": "",
        "starts_at_1": "",
    } | fields


def test_extensions_are_written_with_commas_and_may_change_while_it_runs(admin_client, campaign):
    admin_client.post(change(campaign), form_of(campaign, app="dial", extensions="101, 102,101"))
    campaign.refresh_from_db()
    assert (campaign.app, campaign.extensions) == ("dial", ["101", "102"])
    Campaign.objects.update(state=CampaignState.RUNNING, launched_at=NOW)
    assert 'value="101, 102"' in admin_client.get(change(campaign)).text
    refused = admin_client.post(change(campaign), form_of(campaign, extensions=""))
    assert "With dial, write the 2 to 6 digits of each extension" in refused.text
    admin_client.post(change(campaign), form_of(campaign, extensions="103"))
    campaign.refresh_from_db()
    assert campaign.extensions == ["103"]
    Campaign.objects.update(state=CampaignState.FINISHED)
    assert "103" in admin_client.get(change(campaign)).text


def parameters(*rows: tuple[str, str]) -> dict[str, list[str]]:
    return {
        "parameter_template_name": [name for name, _ in rows],
        "parameter_template_value": [value for _, value in rows],
    }


def test_a_campaign_is_made_and_changed(admin_client, admin_user, campaign):
    other = CustomerList.objects.create(name="April", columns=["city"])
    made = admin_client.post(reverse("admin:campaigns_campaign_add"), form_of(campaign, name="New"))
    new = Campaign.objects.get(name="New")
    assert (made.status_code, new.created_by, list(new.customer_lists.all())) == (
        302,
        admin_user,
        [campaign.customer_lists.get()],
    )
    assert new.calling_window == {"timezone": "", "days": {"mon": [["08:00", "20:00"]]}}
    assert new.cadence == {
        "rules": [
            {"waits": [1800]},
            {"outcome": "answered", "disposition": "not_now", "max_tries": 2, "waits": ["next_day"]},
        ]
    }
    form = form_of(new, customer_lists=[other.pk], **parameters(("city", "{{ attributes.city }}"), ("", "")))
    changed = admin_client.post(change(new), form)
    new.refresh_from_db()
    assert (changed.status_code, new.parameter_template) == (302, {"city": "{{ attributes.city }}"})
    assert list(new.customer_lists.all()) == [other]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("parameter_template_value", ["{{ attributes.city }}"], "The list “March” has no column city."),
        ("parameter_template_value", ["{{ customer.age }}"], "refers to &#x27;customer.age&#x27;"),
        ("parameter_template_name", ["1st"], "cannot be a parameter&#x27;s name"),
        ("parameter_template_name", [""], "Give this value a name."),
        ("calling_window_sat", "8 till late", "“8 till late” is not a range of hours."),
        ("calling_window_timezone", "Mars/Base", "There is no time zone “Mars/Base”."),
        ("calling_window_mon", "8-9," * 80, "This is longer than 300 characters."),
        ("cadence_waits", ["30", "1 d"], "“30” has no unit."),
        ("holidays", "Mars", "There are no holidays of &#x27;Mars&#x27;"),
        ("app", "dial", "2 to 6 digits of each extension"),
        ("extensions", "101, 1", "“1” is no extension; write 2 to 6 digits."),
        ("max_concurrent_calls", "0", "greater than or equal to 1"),
        ("calls_per_second", "0", "greater than or equal to 0.01"),
    ],
)
def test_what_could_not_be_launched_is_said_in_the_form(admin_client, campaign, field, value, text):
    form = form_of(campaign, **(parameters(("city", "Hue")) | {field: value}))
    answer = admin_client.post(change(campaign), form)
    assert answer.status_code == 200
    assert text in answer.text
    assert Campaign.objects.get().updated_at == campaign.updated_at


def test_a_running_campaign_takes_other_lists_and_another_pace_but_no_other_agent(admin_client, admin_user, campaign):
    Campaign.objects.update(state=CampaignState.RUNNING, launched_at=NOW)
    other, agent = make_list("April", customers=[make_customer()]), make_agent("Other")
    form = form_of(campaign, customer_lists=[other.pk], max_concurrent_calls=9, agent=agent.pk)
    answer = admin_client.post(change(campaign), form)
    campaign.refresh_from_db()
    assert (answer.status_code, campaign.max_concurrent_calls, campaign.agent.name) == (302, 9, "Survey")
    assert (list(campaign.customer_lists.all()), campaign.lists_followed_to) == ([other], 0)
    event = CampaignEvent.objects.get()
    assert (event.kind, event.user) == ("changed", admin_user)
    assert "most calls at once from 5 to 9" in event.message


def test_a_running_campaign_is_not_given_lists_it_could_not_run_with(admin_client, campaign):
    Campaign.objects.update(state=CampaignState.RUNNING, parameter_template={"plan": "{{ attributes.plan }}"})
    empty, bare = make_list("Empty", columns=["plan"]), make_list("Bare", customers=[make_customer()])
    assert (
        "The chosen lists are empty"
        in admin_client.post(change(campaign), form_of(campaign, customer_lists=[empty.pk])).text
    )
    assert "has no column plan" in admin_client.post(change(campaign), form_of(campaign, customer_lists=[bare.pk])).text
    assert [entry.name for entry in campaign.customer_lists.all()] == ["March"]


def test_a_reason_stands_in_the_log(admin_client, campaign):
    Campaign.objects.update(state=CampaignState.RUNNING)
    admin_client.post(step("pause", campaign), {"reason": " lunch "})
    event = CampaignEvent.objects.get()
    assert (event.message, event.details) == ("Paused: lunch.", {"reason": "lunch"})


def file(campaign: Campaign, name: str) -> str:
    return reverse("admin:campaigns_campaign_file", args=[campaign.pk, name])


def test_a_campaign_that_is_over_is_archived_and_taken_out_again(admin_client, campaign):
    listed = reverse("admin:campaigns_campaign_changelist")
    assert "Only a campaign that is over can be archived." in admin_client.get(file(campaign, "archive")).text
    admin_client.post(file(campaign, "archive"))
    assert Campaign.objects.get().archived_at is None
    Campaign.objects.update(state=CampaignState.FINISHED)
    assert "It leaves the lists." in admin_client.get(file(campaign, "archive")).text
    admin_client.post(file(campaign, "archive"), {"reason": "last year's"}, follow=True)
    assert campaign.name not in admin_client.get(listed).text
    assert campaign.name in admin_client.get(listed, {"archived": "yes"}).text
    assert campaign.name in admin_client.get(listed, {"archived": "all"}).text
    assert CampaignEvent.objects.get().message == "Archived: last year's."
    admin_client.post(file(campaign, "unarchive"), follow=True)
    assert campaign.name in admin_client.get(listed).text
    assert admin_client.get(file(campaign, "shred")).status_code == 404


def test_a_campaign_is_cloned_under_another_name(admin_client, admin_user, campaign):
    clone = reverse("admin:campaigns_campaign_clone_named", args=[campaign.pk])
    assert "Spring survey (copy)" in admin_client.get(clone).text
    assert "no other campaign has" in admin_client.post(clone, {"reason": campaign.name}).text
    made = admin_client.post(clone, {"reason": "Autumn survey"})
    copy = Campaign.objects.get(name="Autumn survey")
    assert (made.url, copy.created_by, copy.state) == (change(copy), admin_user, CampaignState.DRAFT)


def test_putting_away_needs_the_permission(client, django_user_model, campaign):
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    clone = reverse("admin:campaigns_campaign_clone_named", args=[campaign.pk])
    assert [client.post(path).status_code for path in (clone, file(campaign, "archive"))] == [403, 403]


def test_the_list_asks_for_the_progress_of_all_campaigns_at_once(admin_client, campaign):
    def shown() -> tuple[int, str]:
        with CaptureQueriesContext(connection) as captured:
            page = admin_client.get(reverse("admin:campaigns_campaign_changelist")).text
        return len(captured), page

    make_contact(make_campaign(), state=ContactState.DONE)
    one, _ = shown()
    for _ in range(3):
        make_contact(make_campaign())
    many, page = shown()
    assert many == one
    assert ("1 of 1 contacts" in page, page.count("0 of 1 contacts")) == (True, 3)


def test_only_what_was_never_launched_can_be_deleted(admin_client, campaign):
    delete = reverse("admin:campaigns_campaign_delete", args=[campaign.pk])
    Campaign.objects.update(state=CampaignState.RUNNING)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    Campaign.objects.update(state=CampaignState.DRAFT)
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert not Campaign.objects.exists()
