"""Servers of one's own, as the fault tests have them."""

from tests.faults.conftest import install as install
from tests.faults.conftest import patient as patient
