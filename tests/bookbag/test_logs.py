"""No secret reaches a log, however it got into a message, in either style."""

import subprocess
import sys

import pytest

from apikeys import secret as secrets
from bookbag import logs

PROGRAM = """
import logging, sys, structlog
from bookbag.logs import configure_logging
configure_logging({style!r}, level="INFO")
secret = {secret!r}
ours = structlog.get_logger("ours")
ours.info("a key", key=secret, header={{"a": "Bearer " + secret}})
logging.getLogger("theirs").warning("key %s", secret)
logging.getLogger("theirs").warning("as bytes %r", secret.encode())
try:
    raise ValueError("cannot use " + secret)
except ValueError:
    logging.getLogger("theirs").exception("it failed")
    ours.exception("it failed")
"""


@pytest.fixture(params=["console", "json"])
def output(request: pytest.FixtureRequest) -> tuple[str, str]:
    secret = secrets.generate("live")
    program = PROGRAM.format(style=request.param, secret=secret)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return secret, done.stderr


def test_no_secret_is_logged(output: tuple[str, str]) -> None:
    secret, log = output
    assert log.count("it failed") == 2
    assert secret not in log
    assert secret[12:30] not in log
    assert secret[:12] in log, "which key it was may be known"


def test_a_bearer_header_is_masked() -> None:
    assert logs.mask("Authorization: Bearer abcdefghijkl") == "Authorization: Bearer …"


def test_ordinary_words_stay() -> None:
    line = "The bearer of this has oc_live_ in the name"
    assert logs.mask(line) == line
