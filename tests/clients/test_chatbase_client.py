"""A client that a generator makes of a description of Chatbase's API v1 is one of ours
as well: a company's whole move, every operation, every answer of the type it expects.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from agents.models import Agent, AgentStatus
from apikeys.models import ApiKey
from conversations.models import Conversation
from tests.clients.test_generated_clients import run_python
from tests.conftest import make_workspace

HERE = Path(__file__).parent / "chatbase"
DESCRIBED: dict[str, Any] = yaml.safe_load((HERE / "openapi.yaml").read_text())
OPERATIONS = 20  # pages of Chatbase's reference


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package `chatbase_client`."""
    folder = tmp_path_factory.mktemp("chatbase")
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n")  # nobody reads it, so nobody formats it
    command = ["generate", "--meta", "none", "--fail-on-warning"]
    paths = ["--path", HERE / "openapi.yaml", "--config", config]
    paths += ["--output-path", folder / "chatbase_client"]
    run_python("-m", "openapi_python_client", *command, *map(str, paths))
    return folder


def operations() -> dict[str, dict[str, Any]]:
    """By `GET /path`, of which the plainest comes first."""
    paths = sorted(DESCRIBED["paths"].items(), key=lambda one: one[0].count("{"))
    return {
        f"{method.upper()} {path}": operation
        for path, described in paths
        for method, operation in described.items()
        if method != "parameters"
    }


def operation_of(call: dict[str, Any]) -> str:
    for name in operations():
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(name))
        if re.fullmatch(pattern, f"{call['method']} {call['path']}"):
            return name
    raise AssertionError(f"{call['method']} {call['path']} is not Chatbase's")


def resolve(described: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in described:
        return described
    name = described["$ref"].removeprefix("#/components/responses/")
    resolved: dict[str, Any] = DESCRIBED["components"]["responses"][name]
    return resolved


def check_answer(call: dict[str, Any]) -> None:
    """Status, media type and body are as described."""
    responses = operations()[operation_of(call)]["responses"]
    assert str(call["status"]) in responses, call
    content = resolve(responses[str(call["status"])])["content"]
    assert call["type"] in content, call
    if call["type"] == "application/json":
        schema = content[call["type"]]["schema"]
        checker = Draft202012Validator.FORMAT_CHECKER
        assert {"date-time", "email"} <= set(checker.checkers)
        Draft202012Validator(
            {**schema, "components": DESCRIBED["components"]}, format_checker=checker
        ).validate(json.loads(call["body"]))


def test_a_client_made_for_chatbase_moves_in(package: Path, http: httpx.Client) -> None:
    workspace = make_workspace("Parcels")
    _, secret = ApiKey.objects.issue(workspace, label="Chatbase's client")
    url = str(http.base_url).rstrip("/")
    argument = json.dumps({"url": url, "secret": secret})
    done = subprocess.run(
        [sys.executable, str(HERE / "migration.py"), argument],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    for call in said["calls"]:
        check_answer(call)
    called = {operation_of(call) for call in said["calls"] if call["status"] < 300}
    assert called == set(operations())
    assert len(called) == OPERATIONS

    agent = Agent.objects.get(workspace=workspace)
    assert str(agent.pk) == said["chatbotId"]
    assert agent.status == AgentStatus.ARCHIVED
    # Of three questions one had no conversation to be kept in.
    conversation = Conversation.objects.get(agent=agent)
    assert conversation.external_id == said["conversationId"]
    assert conversation.contact is not None
    assert conversation.contact.external_id == "cus-7"
    assert conversation.messages.count() == 4
