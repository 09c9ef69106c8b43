"""The Content-Security-Policy of each part of the site lets its pages work, in Chromium, which enforces it."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.world import World


def test_no_page_of_the_admin_asks_for_more_than_it_may(visit: Visit, world: World):
    User.objects.filter(pk=world.manager.pk).update(is_staff=True, is_superuser=True)
    campaign = reverse("admin:campaigns_campaign_change", args=[world.campaign.pk])
    lists = reverse("admin:campaigns_customerlist_upload")
    calls = reverse("admin:campaigns_call_changelist")
    for address in ("/admin/", campaign, lists, calls, reverse("admin:campaigns_trunk_add")):
        page = visit.go(address)
        # The theme uncovers a page once its scripts run.
        expect(page.locator("[x-cloak]")).to_have_count(0)
        expect(page.locator("img[src='/static/img/mark.svg']").first).to_be_attached()
    assert visit.complaints == []


def test_the_docs_of_the_api_show_its_operations(visit: Visit):
    page = visit.go("/api/docs/")
    expect(page.locator(".opblock").first).to_be_visible()
    assert visit.complaints == []


def test_a_missing_page_looks_like_the_others(visit: Visit):
    page = visit.go("/nothing/here/")
    expect(page.locator("h1")).to_have_text("There is nothing here")
    assert page.locator(".door__card").evaluate("card => getComputedStyle(card).display") != "inline"
    (complaint,) = visit.complaints
    assert "404" in complaint
