"""Where each address leads. The front desk's home is the admin; patients' pages and the API come from scheduling."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("scheduling.api.urls")),
]

handler400 = "clinic.api.bad_request"
handler403 = "clinic.api.permission_denied"
handler404 = "clinic.api.page_not_found"
handler500 = "clinic.api.server_error"
