"""Whatever the document allows, and what it does not, is answered as it says: no 5xx,
no status, header or body that is not described. Thousands of cases."""

import random
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agents import engines
from agents.engine.base import ToolCall as Asked
from agents.models import Action, Agent
from apikeys.models import ApiKey
from bookbag.api.renderers import to_json
from bookbag.api.schema import document
from tests.conftest import make_workspace
from tests.engines import ScriptedEngine

CASES = 80  # of each operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
]
schema = schemathesis.openapi.from_dict(orjson.loads(to_json(document())))


@dataclass
class Target:
    """What cases are aimed at, so that some get past the first checks."""

    url: str
    secret: str
    ids: dict[str, list[str]]

    def aim(self, case: schemathesis.Case, chance: random.Random) -> None:
        for name, known in self.ids.items():
            if name in case.path_parameters and chance.random() < 0.8:
                case.path_parameters[name] = chance.choice(known)
        body = case.body
        if isinstance(body, dict):
            for name, known in {
                "conversationId": self.ids["conversationId"],
                "messageId": self.ids["messageId"],
                "model": self.ids["model"],
            }.items():
                if name in body and chance.random() < 0.6:
                    body[name] = chance.choice(known)
        if case.path.endswith("/events"):  # nobody waits here
            case.query = {**case.query, "wait": 0}
            case.headers.pop("Accept", None)


@pytest.fixture
def target(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Target:
    engine = ScriptedEngine(
        ["some ", "words"], calls=[Asked("1", "track", {"order": "7"})]
    )
    monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
    workspace = make_workspace("Fuzzed")
    agent = Agent.objects.create(workspace=workspace, name="A", model="scripted")
    Action.objects.create(
        workspace=workspace, agent=agent, name="track", description="To track."
    )
    _, secret = ApiKey.objects.issue(workspace, label="fuzz", rate_limit=1_000_000)
    headers = {"Authorization": f"Bearer {secret}"}
    path = f"{http.base_url}/api/v2/agents/{agent.pk}/chat"
    body = {"message": "hello", "userId": "ann", "stream": False}
    answers = [
        http.post(path, json=body, headers=headers).json()["data"]["metadata"]
        for _ in range(3)
    ]
    return Target(
        str(http.base_url).rstrip("/"),
        secret,
        {
            "agentId": [str(agent.pk)],
            "model": [f"agent-{agent.pk}"],
            "conversationId": [one["conversationId"] for one in answers],
            "messageId": [
                one[name] for one in answers for name in ("messageId", "userMessageId")
            ],
            "userId": ["ann", "bob"],
        },
    )


@schema.parametrize()
@settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_to_the_document(
    case: schemathesis.Case, target: Target
) -> None:
    chance = random.Random(repr((case.body, case.query, case.path_parameters)))
    target.aim(case, chance)
    headers: dict[str, Any] = {"Authorization": f"Bearer {target.secret}"}
    response = case.call(base_url=target.url, headers=headers, timeout=60)
    checks = [*CHECKS, frames_are_lines_of_json]
    if not is_stream(response):
        checks.append(response_schema_conformance)
    case.validate_response(response, checks=checks)


def is_stream(response: Any) -> bool:
    return "text/event-stream" in str(response.headers.get("content-type"))


def frames_are_lines_of_json(_: Any, response: Any, case: Any) -> None:
    """The document can say of a stream only that it is text."""
    if not is_stream(response):
        return
    lines = [line for line in response.content.split(b"\n\n") if line]
    if not lines:  # resumed after its end
        return
    assert lines[-1] == b"data: [DONE]", lines[-1]
    for line in lines[:-1]:
        frame = orjson.loads(line.removeprefix(b"data: "))
        assert isinstance(frame, dict)
