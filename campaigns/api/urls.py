"""Routes of the REST API, below `/api/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from campaigns.api import (
    agents,
    calling_rules,
    calls,
    campaigns,
    contacts,
    customers,
    endpoints,
    errors,
    imports,
    suppression,
    trunks,
    webhooks,
)

router = SimpleRouter()
router.register("customer-lists", customers.CustomerListView, "customer-list")
router.register("imports", imports.ImportView, "import")
router.register("customers", customers.CustomerView, "customer")
router.register("trunks", trunks.TrunkView, "trunk")
router.register("agents", agents.AgentView, "agent")
router.register("campaigns", campaigns.CampaignView, "campaign")
router.register("contacts", contacts.ContactView, "contact")
router.register("call-attempts", contacts.CallAttemptView, "call-attempt")
router.register("calls", calls.CallView, "call")
router.register("suppressed-numbers", suppression.SuppressedNumberView, "suppressed-number")
router.register("dnc-lists", calling_rules.DncListView, "dnc-list")
router.register("blackout-dates", calling_rules.BlackoutDateView, "blackout-date")
router.register("dialing-stops", calling_rules.DialingStopView, "dialing-stop")
router.register("rule-profiles", calling_rules.RuleProfileView, "rule-profile")
router.register("stream-endpoints", endpoints.StreamEndpointView, "stream-endpoint")
router.register("webhook-endpoints", webhooks.WebhookEndpointView, "webhook-endpoint")

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(router.urls)),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    re_path("", errors.not_found),
]
