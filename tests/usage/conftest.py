"""Servers of one's own, as the fault tests have them."""

from tests.faults.conftest import install as install
