"""Every page, as people with and without rights get it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import CampaignState, ContactState, Outcome, Role
from campaigns.models import CallAttempt
from config.security_headers import PAGES
from tests.factories import (
    NOW,
    PASSWORD,
    make_attempt,
    make_call,
    make_campaign,
    make_contact,
    make_list,
    make_stream_call,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    user = make_user(role=Role.MANAGER)
    client.force_login(user)
    return user


def every_address() -> list[str]:
    contact = make_contact()
    call = make_call()
    return [
        "/",
        "/campaigns/",
        f"/campaigns/{contact.campaign_id}/",
        f"/contacts/{contact.pk}/",
        "/calls/",
        f"/calls/{call.pk}/",
        f"/calls/{call.pk}/recording.wav",
        f"/calls/{call.pk}/waveform.json",
        "/lists/",
    ]


def test_every_page_sends_strangers_to_the_sign_in(client):
    for address in every_address():
        response = client.get(address)
        assert (response.status_code, response.headers["Location"]) == (302, f"/sign-in/?next={address}")


def test_every_page_is_private_and_allows_nothing_inline(client, manager):
    for address in [*every_address()[:6], "/lists/"]:
        response = client.get(address)
        assert response.status_code == 200, address
        assert response.headers["Content-Security-Policy"] == PAGES
        assert "private" in response.headers["Cache-Control"]
        text = response.content.decode()
        assert "<style" not in text
        assert " style=" not in text
        assert "<script>" not in text


def test_pages_are_for_reading_only(client, manager):
    for address in every_address():
        assert client.post(address).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/999/",
        "/contacts/999/",
        "/calls/00000000-0000-4000-8000-000000000000/",
        "/campaigns/1/explode/",
    ],
)
def test_what_is_not_there_is_404(client, manager, path):
    response = client.post(path) if path.endswith("explode/") else client.get(path)

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_empty_pages_say_what_to_do(client, manager):
    for address, words in {
        "/": "Nothing is running.",
        "/campaigns/": "No campaigns yet",
        "/calls/": "No calls yet",
        "/lists/": "No lists yet",
        "/campaigns/?state=paused": "No campaign is paused",
        "/calls/?text=nothing": "No call matches",
    }.items():
        assert words in client.get(address).content.decode(), address


@pytest.mark.parametrize(
    ("role", "is_superuser", "is_shown"),
    [
        (Role.MANAGER, False, True),
        (None, True, True),
        (Role.SUPERVISOR, False, False),
        (Role.INTEGRATOR, False, False),
        (None, False, False),
    ],
)
def test_numbers_are_masked_for_those_who_may_not_see_them(client, role, is_superuser, is_shown):
    client.force_login(make_user(role=role, is_superuser=is_superuser))
    call = make_call()
    assert call.attempt is not None
    contact = call.attempt.contact
    number = contact.phone_number

    about_call = ["/", "/calls/", f"/calls/{call.pk}/"]
    for address in [*about_call, f"/campaigns/{contact.campaign_id}/", f"/contacts/{contact.pk}/"]:
        text = client.get(address).content.decode()
        assert (number in text) is is_shown, address
        assert (f"{number[:3]}•••••{number[-3:]}" in text) is not is_shown, address


def test_a_masked_number_cannot_be_searched(client):
    client.force_login(make_user(role=Role.SUPERVISOR))
    contact = make_contact(name="An")

    text = client.get(f"/campaigns/{contact.campaign_id}/?search={contact.phone_number[-4:]}").content.decode()

    assert "No contact matches" in text


def test_campaign_page_filters_its_contacts(client, manager):
    campaign = make_campaign()
    make_contact(campaign, name="Waiting Wanda")
    make_contact(campaign, name="Done Dora", state=ContactState.DONE, last_outcome=Outcome.ANSWERED)

    def names(query: str) -> list[str]:
        page = client.get(f"/campaigns/{campaign.pk}/{query}").context["page"]
        return [contact.name for contact in page]

    assert names("") == ["Waiting Wanda", "Done Dora"]
    assert names("?state=done") == ["Done Dora"]
    assert names("?outcome=answered") == ["Done Dora"]
    assert names("?search=wanda") == ["Waiting Wanda"]
    assert names("?state=nonsense") == ["Waiting Wanda", "Done Dora"]


def test_pages_name_the_extensions(client, manager):
    campaign = make_campaign(app="dial", extensions=["101", "102"])
    address = f"/campaigns/{campaign.pk}/"
    free = client.get(address).text
    assert "rings 101, 102 first" in free
    assert "all are free" in free
    contact = make_contact(campaign, state=ContactState.DIALING)
    make_attempt(contact, extension="102")
    assert "talking: 102" in client.get(address).text
    assert "extension 102" in client.get(f"/contacts/{contact.pk}/").text


def test_contact_page_shows_every_attempt_with_its_log(client, manager):
    contact = make_contact()
    make_attempt(contact, outcome=Outcome.BUSY, hangup_cause="USER_BUSY")
    make_attempt(contact, outcome=Outcome.NO_ANSWER, reason="no_connect", at=NOW + timedelta(hours=1))

    response = client.get(f"/contacts/{contact.pk}/")

    assert [attempt.outcome for attempt in response.context["attempts"]] == ["no_answer", "busy"]
    text = response.content.decode()
    for words in ("USER_BUSY", "No connect", "Claimed"):
        assert words in text


def test_call_page_marks_what_was_not_heard(client, manager):
    text = client.get(f"/calls/{make_call().pk}/").content.decode()

    assert "<p>Was your problem <s" in text
    assert ">solved when you last called?</s>" in text


def test_transcript_text_is_never_markup(client, manager):
    call = make_call()
    call.turns.update(text="<script>alert(1)</script>")

    text = client.get(f"/calls/{call.pk}/").content.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_lists_page_counts_customers(client, manager):
    contact = make_contact()
    make_list("Spring", customers=[contact.customer], columns=["city"])

    text = client.get("/lists/").content.decode()

    assert "Spring" in text
    assert '<td data-label="Customers" class="num">1</td>' in text


def test_campaigns_page_narrows_to_a_state(client, manager):
    make_campaign("Runs")
    make_campaign("Rests", state=CampaignState.PAUSED)

    page = client.get("/campaigns/?state=paused").context["page"]

    assert [campaign.name for campaign in page] == ["Rests"]


def test_sign_in_and_out(client):
    make_user("grace")

    refused = client.post("/sign-in/", {"username": "grace", "password": "wrong"})
    assert "is not right" in refused.content.decode()
    form = {"username": "grace", "password": PASSWORD, "next": "/calls/"}
    entered = client.post("/sign-in/?next=/calls/", form)
    assert (entered.status_code, entered.headers["Location"]) == (302, "/calls/")
    left = client.post("/sign-out/")
    assert (left.status_code, left.headers["Location"]) == (302, "/sign-in/")
    assert client.get("/calls/").status_code == 302


def test_doors_to_the_admin_are_shown_to_those_who_may_enter(client):
    campaign = make_campaign()
    customer_list = make_list("Spring")
    doors = {
        "/campaigns/": "/admin/campaigns/campaign/add/",
        f"/campaigns/{campaign.pk}/": f"/admin/campaigns/campaign/{campaign.pk}/change/",
        "/lists/": f"/admin/campaigns/customerlist/{customer_list.pk}/change/",
    }
    for username, is_superuser in (("root", True), ("guest", False)):
        client.force_login(make_user(username, is_superuser=is_superuser, is_staff=is_superuser))
        for page, door in doors.items():
            assert (f'href="{door}"' in client.get(page).content.decode()) is is_superuser, page
            assert client.get(door).status_code == (200 if is_superuser else 302)


def test_calls_that_came_to_us_are_read_like_others(client, manager):
    call, live = make_stream_call(), make_stream_call(duration_s=None, is_outbound=True, customer_number="")
    page = client.get(f"/calls/{call.pk}/").content.decode()
    for words in ("Incoming call", "+84901234567", "Hotline", "+842838123456", "KooKoo (ucid)"):
        assert words in page
    assert "Call by the vendor" in client.get(f"/calls/{live.pk}/").content.decode()
    listed = client.get("/calls/?protocol=ucid").content.decode()
    assert ("2 found" in listed, live.vendor_call_id in listed, "Hotline" in listed) == (True, True, True)
    assert "No call matches" in client.get("/calls/?protocol=psr").content.decode()
    assert "Hotline" in client.get("/").content.decode()


def test_the_number_of_a_call_that_came_to_us_is_masked_too(client):
    call = make_stream_call()
    client.force_login(make_user("sam", role=Role.SUPERVISOR))
    for address in ("/calls/", f"/calls/{call.pk}/"):
        assert "+84901234567" not in client.get(address).content.decode()


def test_a_contact_says_first_what_stands_against_a_call(client, manager):
    contact = make_contact(make_campaign(state=CampaignState.PAUSED))
    text = client.get(f"/contacts/{contact.pk}/").text
    against, met = text.split("<details", 1)
    assert "No. What stands against it:" in against
    assert '<li class="gate gate--closed"><span>The campaign is running</span>' in against
    assert "The number is on no do-not-call list" not in against
    assert "The number is on no do-not-call list" in met


def test_a_live_test_call_is_marked_as_one(client, manager):
    make_call(duration_s=None)
    assert "<small>test call</small>" not in client.get("/").text
    CallAttempt.objects.update(is_test=True)
    assert "<small>test call</small>" in client.get("/").text
