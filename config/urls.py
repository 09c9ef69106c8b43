"""Every HTTP route."""

from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    # Browsers ask for it where a page names no icon: for a JSON answer, say.
    path("favicon.ico", RedirectView.as_view(url=static("img/mark.svg"))),
    path("", include("campaigns.urls")),
]
