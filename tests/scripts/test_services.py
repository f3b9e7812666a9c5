"""The servers that tests are given, on this machine and where it has none."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from tests import services

KINDS = ["embedded", "system"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BOOKBAG_TEST_POSTGRES", request.param)
    monkeypatch.setenv("BOOKBAG_TEST_REDIS", request.param)
    return request.param


def test_postgres_is_private_and_gone_afterwards(kind: str) -> None:
    if kind == "system" and services._system_postgres() is None:
        pytest.skip("this machine has no PostgreSQL of its own")
    with services.postgres() as url:
        with psycopg.connect(url) as connection:
            said = connection.execute("SELECT current_database(), lower('Ä')")
            assert said.fetchone() == ("bookbag", "ä")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url, password="wrong")

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_redis_is_gone_afterwards(kind: str) -> None:
    try:
        services._redis_binary()
    except services.ServiceError:
        pytest.skip("this machine has no Redis of its own")
    with services.redis() as url, redis.Redis.from_url(url) as client:
        assert client.dbsize() == 0

    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_ports_are_not_of_those_that_the_kernel_lends() -> None:
    assert 1024 < services.free_port() < 32768


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_servers_of_killed_tests_stop(tmp_path: Path) -> None:
    code = (
        "import time; from tests import services\n"
        "with services.redis() as url: print(url, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code]
    # What nobody is left to remove goes where pytest will.
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment
    ) as tests:
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        os.kill(tests.pid, signal.SIGKILL)

    with redis.Redis.from_url(url) as client:
        while True:  # until pytest-timeout, if it never stops
            try:
                client.ping()
            except redis.ConnectionError:
                return
            time.sleep(0.05)
