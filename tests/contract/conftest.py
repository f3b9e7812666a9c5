"""The shop of the conversations' tests, here as well."""

from tests.conversations.conftest import scripted, shop

__all__ = ["scripted", "shop"]
