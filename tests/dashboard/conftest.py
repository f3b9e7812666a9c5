from collections.abc import Callable

import pytest
from django.test import Client

from workspaces.models import User

SignIn = Callable[[User], Client]


@pytest.fixture
def sign_in() -> SignIn:
    """A browser that the user has signed in with; each call opens another."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in
