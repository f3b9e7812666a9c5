"""Clients that generators make of the OpenAPI document hold a conversation each with
the real server."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from conversations.models import Conversation
from tests.clients import node
from tests.conftest import LiveServer
from tests.conversations.conftest import ScriptedShop, Shop, scripted

__all__ = ["scripted"]  # the fixture

HERE = Path(__file__).parent / "generated"
ANSWER = "Two days."
TURN = ["How long does delivery take?", ANSWER, "And to Canada?", ANSWER]


@pytest.fixture(scope="session")
def document(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the server hands it out."""
    response = httpx.get(f"{server.url}/api/schema/", timeout=60)
    assert response.status_code == 200
    path = tmp_path_factory.mktemp("schema") / "openapi.json"
    path.write_bytes(response.content)
    return path


@pytest.fixture(scope="session")
def python(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package `bookbag_client`. What the generator does not
    understand it leaves out with a warning: here there is none."""
    folder = tmp_path_factory.mktemp("python")
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n")  # nobody reads it, so nobody formats it
    command = ["generate", "--meta", "none", "--fail-on-warning"]
    paths = ["--path", document, "--config", config]
    paths += ["--output-path", folder / "bookbag_client"]
    run_python("-m", "openapi_python_client", *command, *map(str, paths))
    return folder


@pytest.fixture(scope="session")
def typescript(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated types, and the script that speaks by them."""
    folder = tmp_path_factory.mktemp("typescript")
    node.install(HERE / "typescript", folder)
    for name in ("tsconfig.json", "conversation.ts"):
        shutil.copy(HERE / "typescript" / name, folder)
    generator = "node_modules/openapi-typescript/bin/cli.js"
    # A request may leave out what has a default.
    options = ["--default-non-nullable=false", "-o", "schema.d.ts"]
    node.execute(generator, str(document), *options, folder=folder)
    return folder


def run_python(*arguments: str, path: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(path or "")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def shop_and_argument(scripted: ScriptedShop) -> tuple[Shop, str]:
    shop, _ = scripted(["Two ", "days."])
    url = str(shop.client.base_url).rstrip("/")
    argument = {"url": url, "secret": shop.secret, "agentId": shop.agent.pk}
    return shop, json.dumps(argument)


def check_conversation(said: dict[str, Any], shop: Shop, *, texts: list[str]) -> None:
    """What a client was told, against what is stored."""
    assert said["texts"] == texts
    conversation = Conversation.objects.get(pk=said["conversationId"])
    assert (conversation.agent_id, conversation.end_user) == (shop.agent.pk, "ann")
    stored = conversation.messages.readable().order_by("id")
    assert [message.text for message in stored] == TURN, "the retry cut it here"
    assert said["finally"] == stored[3].public_id
    assert said["prefix"] == shop.secret[: len("oc_live_1234")]
    assert said["blame"] == {"message": "Must not be blank."}
    assert said["stranger"] == "AUTH_INVALID_API_KEY"


def test_a_python_client_has_a_function_for_every_operation(
    document: Path, python: Path
) -> None:
    paths = json.loads(document.read_bytes())["paths"].values()
    operations = {
        operation["operationId"] for one in paths for operation in one.values()
    }
    modules = {module.stem for module in (python / "bookbag_client/api").glob("*/*.py")}
    made = {name.replace("_", "") for name in modules - {"__init__"}}
    assert made == {operation.lower() for operation in operations}


def test_a_python_client_holds_a_conversation(
    python: Path, scripted: ScriptedShop
) -> None:
    shop, argument = shop_and_argument(scripted)
    script = HERE / "python" / "conversation.py"
    said = json.loads(run_python(str(script), argument, path=python))
    check_conversation(said, shop, texts=TURN)
    assert said["replies"] == 5


def test_a_typescript_client_holds_a_conversation(
    typescript: Path, scripted: ScriptedShop
) -> None:
    shop, argument = shop_and_argument(scripted)
    output = node.execute("conversation.ts", argument, folder=typescript)
    said = json.loads(output)
    check_conversation(said, shop, texts=[*TURN, "And to Mars?", ANSWER])
    assert said["replies"] == 5
    words = "".join(
        json.loads(frame.removeprefix("data: ")).get("text", "")
        for frame in said["frames"].split("\n\n")
        if frame.startswith("data: {")
    )
    assert words == ANSWER


def test_a_typescript_client_is_typed(typescript: Path) -> None:
    """Strictly: the script compiles, and each of its mistakes is one."""
    node.execute("node_modules/typescript/bin/tsc", "--noEmit", folder=typescript)
