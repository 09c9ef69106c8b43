"""Routes of the admin, the API and the pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("campaigns.api.root_urls")),
    path("api/", include("campaigns.api.urls")),
    path("", include("campaigns.web.urls")),
]
