"""Whatever the document of API v1 allows, and what it does not, is answered as it says,
as for v2. Streams are read by strict parsers of both dialects."""

import random
import re
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import response_schema_conformance

from agents import engines
from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.api.renderers import to_json
from bookbag.api.schema import document
from contacts import visitors
from contacts.models import Contact, CustomAttribute
from conversations.models import Conversation
from tests.conftest import make_workspace
from tests.contract.test_fuzzing import CASES, CHECKS
from tests.contract.test_tenant_matrix import PLENTY
from tests.contract.test_tenant_matrix_v1 import picture
from tests.engines import ScriptedEngine

WORDS = ["some ", "words\n\ndata: ", "\u2028event: done\r\n"]
TEXT = "".join(WORDS)
# Reads that take next to nothing, in which next to nothing could be odd.
QUIET = ["getChatbots", "listCustomAttributes", "exportLeads", "readTranscript"]
FEW = 15
OPTIONAL_KEY = ("/chat", "/leads")
schema = schemathesis.openapi.from_dict(orjson.loads(to_json(document("v1"))))


@dataclass
class Target:
    """What cases are aimed at, so that some get past the first checks."""

    url: str
    secret: str
    agent: Agent
    ids: dict[str, list[Any]]

    def aim(self, case: schemathesis.Case, chance: random.Random) -> None:
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                self._aim(part, chance)
        if isinstance(case.body, dict):
            for name in ("chatbotIconFile", "profilePictureFile"):
                if name in case.body and chance.random() < 0.5:
                    case.body[name] = picture()
            for one in self._people(case.body):
                self._aim(one, chance)
            if chance.random() < 0.7 and "messages" in case.body:
                case.body["messages"] = [{"role": "user", "content": "Hi"}]
                case.body["stream"] = chance.random() < 0.5
        if chance.random() < 0.8:  # most of them would be another request's
            case.headers.pop("Idempotency-Key", None)

    def _aim(self, part: dict[str, Any], chance: random.Random) -> None:
        for name, known in self.ids.items():
            if name in part and chance.random() < 0.7:
                part[name] = chance.choice(known)

    def _people(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        people = [body.get("data"), *(body.get("users") or ())]
        return [one for one in people if isinstance(one, dict)]

    def restore(self) -> None:
        """What a case before this one has put away."""
        Agent.objects.filter(pk=self.agent.pk).update(status="active")
        ids = {"workspace": self.agent.workspace, "agent": self.agent}
        for name in self.ids["external_id"]:
            Contact.objects.get_or_create(**ids, external_id=name)


@pytest.fixture
def target(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Target:
    settings.VISITOR_LIMIT = settings.RATE_LIMIT = PLENTY
    settings.LEADS_RATE = f"{PLENTY}/m"
    monkeypatch.setitem(engines.ENGINES, "scripted", lambda: ScriptedEngine(WORDS))
    workspace = make_workspace("Fuzzed")
    agent = Agent.objects.create(workspace=workspace, name="A", model="scripted")
    ids = {"workspace": workspace, "agent": agent}
    _, secret = ApiKey.objects.issue(workspace, label="fuzz", rate_limit=PLENTY)
    conversations = [
        Conversation.objects.create(**ids, external_id=name) for name in ("a", "b")
    ]
    CustomAttribute.objects.create(**ids, name="plan", label="Plan")
    CustomAttribute.objects.create(**ids, name="seats", label="Seats", type="number")
    numbers = [one.pk for one in conversations]
    people = ["ann", "bob/7"]
    target = Target(
        str(http.base_url).rstrip("/"),
        secret,
        agent,
        {
            "agentId": [agent.pk],
            "chatbotId": [str(agent.pk)],
            "chatId": [agent.pk],
            "contactId": people,
            "external_id": people,
            "conversationId": [*numbers, "a"],
            "visitorToken": [visitors.token_for(one) for one in numbers],
            "X-Visitor-Token": [visitors.token_for(one) for one in numbers],
            "name": ["plan", "seats"],
            "custom_attributes": [{"plan": "pro", "seats": "7"}, {"seats": "many"}],
            "model": ["scripted", "gpt-4o"],
        },
    )
    target.restore()
    return target


def keeps_to_the_document(case: schemathesis.Case, target: Target) -> None:
    chance = random.Random(repr((case.body, case.query, case.path_parameters)))
    target.aim(case, chance)
    if case.method == "DELETE":
        target.restore()
    headers: dict[str, Any] = {"Authorization": f"Bearer {target.secret}"}
    if case.path.endswith(OPTIONAL_KEY) and chance.random() < 0.3:
        headers = {}
    response = case.call(base_url=target.url, headers=headers, timeout=60)
    checks = [*CHECKS, streams_are_whole]
    if "application/json" in str(response.headers.get("content-type")):
        checks.append(response_schema_conformance)
    case.validate_response(response, checks=checks)


def at_most(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@schema.exclude(operation_id=QUIET).parametrize()
@at_most(CASES)
def test_every_operation_keeps_to_the_document(
    case: schemathesis.Case, target: Target
) -> None:
    keeps_to_the_document(case, target)


@schema.include(operation_id=QUIET).parametrize()
@at_most(FEW)
def test_reads_without_parameters_keep_to_it(
    case: schemathesis.Case, target: Target
) -> None:
    keeps_to_the_document(case, target)


def streams_are_whole(_: Any, response: Any, case: Any) -> None:
    """The document can say of a stream only that it is text."""
    media_type = str(response.headers.get("content-type"))
    if "text/plain" in media_type:
        assert response.content.decode() == TEXT
    if "text/event-stream" in media_type:
        *events, (last, done) = named_events(response.content)
        tokens = [event for name, event in events if name == "token"]
        assert {name for name, _ in events} <= {"token", "citations"}
        assert last == "done"
        # A public path: it may be an agent of another test that answers.
        assert "".join(token["text"] for token in tokens) == done["text"]
        assert set(done) == {"conversationId", "messageId", "text", "visitorToken"}


def named_events(content: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Two lines each, an empty one after it, and nothing else."""
    assert b"\r" not in content
    *blocks, rest = content.split(b"\n\n")
    assert rest == b""
    events = []
    for block in blocks:
        found = re.fullmatch(rb"event: ([a-z]+)\ndata: (\{[^\n]*\})", block)
        assert found, block
        events.append((found[1].decode(), orjson.loads(found[2])))
    return events
