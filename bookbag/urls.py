"""The whole site on one screen."""

from allauth.account import views as account
from django.contrib import admin
from django.urls import include, path

from agents import views as pictures
from bookbag import health

urlpatterns = [
    # /api/
    path("api/v2/", include("apikeys.api.v2")),
    path("api/v2/", include("usage.api.v2")),
    path("api/v2/", include("agents.api.v2")),
    path("api/v2/", include("conversations.api.v2")),
    path("api/v1/", include("agents.api.v1")),
    path("api/v1/", include("contacts.api.v1")),
    path("api/v1/", include("conversations.api.v1")),
    path("api/", include("bookbag.api.urls")),
    # /v1/, as OpenAI's clients know it
    path("v1/", include("conversations.api.openai")),
    # pictures of agents, which widgets show on other sites
    path("uploads/<path:name>", pictures.picture, name="picture"),
    # operations
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    # people: signing in is allauth's, but nobody signs up by oneself
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path(
        "accounts/password/change/",
        account.password_change,
        name="account_change_password",
    ),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls")),
]

# Pages that say so; or JSON, where programs call as well.
handler400 = "dashboard.doors.bad_request"
handler403 = "dashboard.doors.forbidden"
handler404 = "dashboard.doors.not_found"
handler500 = "dashboard.doors.failed"
