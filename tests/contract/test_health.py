"""Whether anybody is at home."""

import time
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from bookbag import health
from tests.installation import eventually


def test_health_is_this_and_nothing_more(client: Client) -> None:
    before = int(time.time())
    answer = client.get("/api/v2/health").json()
    assert before <= answer.pop("timestamp") <= time.time()
    assert answer == {"status": "ok", "data": {"status": "ok"}}


@pytest.mark.parametrize("accept", ["text/html", "*/*", ""])
def test_health_is_told_to_any_probe(client: Client, accept: str) -> None:
    response = client.get("/api/v2/health", headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"


def test_ready_is_who_reaches_the_database(http: Any) -> None:
    answers = []

    def is_ready() -> bool:
        answers.append(http.get("/readyz"))
        return answers[-1].status_code == 200

    eventually(is_ready)  # a busy machine may need longer than the probe has patience
    answer = answers[-1]
    assert answer.json()["status"] == "ok"
    assert answer.json()["checks"]["database"] is True


def test_not_ready_is_503_while_health_says_ok(
    http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "_ask_database", refused)
    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] is False
    assert "refused" not in answer.text
    assert http.get("/api/v2/health").status_code == 200
