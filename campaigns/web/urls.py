"""Routes of the pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.cache import never_cache

from campaigns.sign_in import SignInForm
from campaigns.web.calls import list_calls, show_call, show_waveform
from campaigns.web.campaigns import (
    approve_launch,
    list_campaigns,
    place_test_call,
    release_trunk,
    show_campaign,
    step_campaign,
)
from campaigns.web.contacts import list_customer_lists, show_contact
from campaigns.web.overview import show_overview
from campaigns.web.preflight import show_preflight
from campaigns.web.recordings import play_recording
from campaigns.web.rehearsals import rehearse, show_rehearsal
from campaigns.web.stops import lift_stops, stop_all_dialing

sign_in = LoginView.as_view(
    template_name="pages/sign_in.html", authentication_form=SignInForm, redirect_authenticated_user=True
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", show_overview, name="overview"),
    path("campaigns/", list_campaigns, name="campaigns"),
    path("campaigns/<int:campaign_id>/", show_campaign, name="campaign"),
    path("campaigns/<int:campaign_id>/preflight/", show_preflight, name="preflight"),
    path("campaigns/<int:campaign_id>/rehearsal/", show_rehearsal, name="rehearsal"),
    path("campaigns/<int:campaign_id>/rehearse/", rehearse, name="rehearse"),
    path("campaigns/<int:campaign_id>/approve/", approve_launch, name="approve_launch"),
    path("campaigns/<int:campaign_id>/test-call/", place_test_call, name="test_call"),
    path("campaigns/<int:campaign_id>/release-trunk/", release_trunk, name="release_trunk"),
    path("campaigns/<int:campaign_id>/stop-all/", stop_all_dialing, name="stop_all_dialing"),
    path("campaigns/<int:campaign_id>/<str:action>/", step_campaign, name="campaign_step"),
    path("lift-stops/", lift_stops, name="lift_stops"),
    path("contacts/<int:contact_id>/", show_contact, name="contact"),
    path("calls/", list_calls, name="calls"),
    path("calls/<uuid:call_id>/", show_call, name="call"),
    path("calls/<uuid:call_id>/recording.wav", play_recording, name="recording"),
    path("calls/<uuid:call_id>/waveform.json", show_waveform, name="waveform"),
    path("lists/", list_customer_lists, name="customer_lists"),
    path("sign-in/", never_cache(sign_in), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
]
