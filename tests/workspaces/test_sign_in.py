"""Getting in and out, at /accounts/."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse

from workspaces.models import User, Workspace

PASSWORD = "correct horse battery"
LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def no_tries_yet() -> Iterator[None]:
    """Tries are counted by address, and all tests have the same one."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def member(owner: User) -> User:
    owner.set_password(PASSWORD)
    owner.save(update_fields=["password"])
    return owner


def sign_in(client: Client, email: str, password: str, **fields: str) -> object:
    return client.post(LOGIN, {"login": email, "password": password, **fields})


def test_it_works(client: Client, member: User) -> None:
    response = sign_in(client, member.email, PASSWORD)
    assert response.status_code == 302
    assert response["Location"] == "/"
    assert client.get("/").status_code == 200


def test_the_case_of_an_address_does_not_matter(client: Client, member: User) -> None:
    assert sign_in(client, member.email.upper(), PASSWORD).status_code == 302


def test_the_page_needs_no_script(client: Client, db: None) -> None:
    page = client.get(LOGIN).content.decode()
    assert "<script" not in page
    assert 'autocomplete="current-password"' in page
    assert "signup" not in page


def test_one_comes_back_to_where_one_was(client: Client, member: User) -> None:
    page = client.get(LOGIN, {"next": "/apikeys"}).content.decode()
    assert 'name="next" value="/apikeys"' in page
    response = sign_in(client, member.email, PASSWORD, next="/apikeys")
    assert response["Location"] == "/apikeys"


def test_but_to_no_other_site(client: Client, member: User) -> None:
    response = sign_in(client, member.email, PASSWORD, next="https://evil.example/")
    assert response["Location"] == "/"


@pytest.mark.parametrize("email", ["known", "nobody@example.com"])
def test_a_wrong_password_and_a_stranger_are_told_the_same(
    client: Client, member: User, email: str
) -> None:
    email = member.email if email == "known" else email
    response = sign_in(client, email, "wrong")
    page = response.content.decode()
    assert "are not correct" in page
    assert f'value="{email}"' in page
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("email", "password", "error"),
    [("", PASSWORD, "id_login_error"), ("a@example.com", "", "id_password_error")],
)
def test_what_is_missing_is_said_by_its_field(
    client: Client, db: None, email: str, password: str, error: str
) -> None:
    page = sign_in(client, email, password).content.decode()
    assert f'aria-describedby="{error}"' in page
    assert f'id="{error}"' in page


def test_a_switched_off_account_does_not_get_in(client: Client, member: User) -> None:
    User.objects.filter(pk=member.pk).update(is_active=False)
    page = sign_in(client, member.email, PASSWORD).content.decode()
    assert "are not correct" in page
    assert "_auth_user_id" not in client.session


def test_switched_off_while_signed_in_is_out(client: Client, member: User) -> None:
    sign_in(client, member.email, PASSWORD)
    User.objects.filter(pk=member.pk).update(is_active=False)
    assert client.get("/").status_code == 302


def test_guessing_is_stopped(client: Client, member: User) -> None:
    for _ in range(12):
        sign_in(client, member.email, "wrong")
    response = sign_in(client, member.email, PASSWORD)
    assert response.status_code != 302
    assert "_auth_user_id" not in client.session


def test_too_many_tries_are_answered_429_in_our_look(client: Client, db: None) -> None:
    answers = [sign_in(client, "", "").status_code for _ in range(31)]
    assert answers[-1] == 429
    page = sign_in(client, "", "").content.decode()
    assert "Too many tries" in page
    assert "components.css" in page


def test_signing_out_takes_a_post(client: Client, member: User) -> None:
    sign_in(client, member.email, PASSWORD)
    page = client.get("/accounts/logout/").content.decode()
    assert "Sign out?" in page
    assert client.get("/").status_code == 200
    response = client.post("/accounts/logout/")
    assert response["Location"] == LOGIN
    assert client.get("/").status_code == 302


def test_changing_the_password(client: Client, member: User) -> None:
    sign_in(client, member.email, PASSWORD)
    form = {"oldpassword": "wrong", "password1": "a new one 8", "password2": "a new"}
    page = client.post("/accounts/password/change/", form).content.decode()
    assert page.count("errorlist") >= 1
    form |= {"oldpassword": PASSWORD, "password2": "a new one 8"}
    assert client.post("/accounts/password/change/", form).status_code == 302
    assert client.get("/").status_code == 200  # still in
    member.refresh_from_db()
    assert member.check_password("a new one 8")


def test_nobody_signs_up(client: Client, workspace: Workspace) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")
    assert client.get("/accounts/signup/").status_code == 404


def test_the_password_is_not_in_the_log(
    client: Client, member: User, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        sign_in(client, member.email, PASSWORD)
    assert PASSWORD not in caplog.text
