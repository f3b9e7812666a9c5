"""What went wrong is said in our own look, and as JSON to who asks for that."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import path
from django.views import defaults

from dashboard.views import csrf_failure
from tests.dashboard.conftest import SignIn
from workspaces.models import User


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [path("broken", broken)]


def test_nothing_here(client: Client, db: None) -> None:
    response = client.get("/no/such/page")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_not_for_you(sign_in: SignIn, viewer: User) -> None:
    page = sign_in(viewer).get("/apikeys").content.decode()
    assert "This needs the role “Admin”; yours is “Viewer”." in page
    assert viewer.email in page


@pytest.mark.urls("tests.dashboard.test_error_pages")
def test_something_broke() -> None:
    client = Client(raise_request_exception=False)
    response = client.get("/broken")
    assert response.status_code == 500
    page = response.content.decode()
    assert "Something broke on our side" in page
    assert "broken on purpose" not in page


def test_the_page_for_it_needs_nothing() -> None:
    """No request, no database, no list of hashed files."""
    assert "css/base.css" in render_to_string("500.html")
    request = RequestFactory().get("/")
    assert defaults.server_error(request).status_code == 500


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_form_that_is_no_longer_valid(accept: str) -> None:
    request = RequestFactory().post("/apikeys", headers={"Accept": accept})
    response = csrf_failure(request)
    assert response.status_code == 403
    assert response["Content-Type"].startswith(accept)
    assert "Reload the page" in response.content.decode()
