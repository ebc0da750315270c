"""The front desk: pages inside the admin, where receptionists, clinicians and managers work."""

from __future__ import annotations

from django.contrib import admin

from . import courses, days, mail, overrides, patients, proposals, setup

__all__ = ["courses", "days", "mail", "overrides", "patients", "proposals", "setup"]

# Templates of our own by name: unfold comes first in INSTALLED_APPS, so ones of the same name would not be found.
admin.site.index_template = "scheduling/worklist.html"
admin.site.login_template = "scheduling/sign_in.html"
admin.site.enable_nav_sidebar = True
