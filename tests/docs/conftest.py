"""A reader of the guides: with the demo's shop, a key, and a place to paste into."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from django.db import transaction
from PIL import Image

from agents.models import Agent
from apikeys.models import ApiKey
from bookbag.demo import northwind
from knowledge import indexing
from knowledge.models import Source, SourceKind
from tests.clients import node
from tests.conftest import make_workspace
from tests.docs.blocks import Block
from tests.docs.comparing import Names

# A module that says its name in its first line is there for those that come after it;
# or it is no module, but a script of the older kind.
_MODULE = re.compile(r"// (\w+\.m?js)\n")
CURL = Path(__file__).parent / "curl.py"


@dataclass
class Reader:
    """Pastes the blocks of one page, one after the other."""

    agent: Agent
    key: ApiKey
    folder: Path
    environment: dict[str, str]
    names: Names = field(default_factory=Names)

    def paste(self, block: Block) -> str:
        """What it prints. It must succeed."""
        text = self.names.in_place(block.text)
        command = {
            "bash": self._bash,
            "python": self._python,
            "javascript": self._javascript,
        }[block.language](text)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        if block.language == "bash":
            self._keep_exports()
        return done.stdout

    def _bash(self, text: str) -> list[str]:
        exports = self.folder / "exports"
        script = f"set -euo pipefail\n{text}\nenv -0 >{exports}\n"
        return ["bash", "-c", script]

    def _keep_exports(self) -> None:
        pairs = (self.folder / "exports").read_text().split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if pair)

    def _python(self, text: str) -> list[str]:
        (self.folder / "snippet.py").write_text(text)
        return [sys.executable, "snippet.py"]

    def _javascript(self, text: str) -> list[str]:
        named = _MODULE.match(text)
        module = named[1] if named else "snippet.mjs"
        (self.folder / module).write_text(text)
        return [str(node.NODE), module]


MakeReader = Callable[..., Reader]


@pytest.fixture
def reader(http: httpx.Client, tmp_path: Path) -> MakeReader:
    """A new shop for every page: its lists hold what the page has said, no more."""

    def make(*, own_curl: bool = False) -> Reader:
        workspace = make_workspace(northwind.WORKSPACE)
        plan = northwind.AGENTS[0]
        agent = Agent.objects.create(
            workspace=workspace, name=plan.name, fallback_message=plan.fallback_message
        )
        _teach(agent, plan)
        key, secret = ApiKey.objects.issue(workspace, label="Demo", environment="test")
        environment = os.environ | {
            "BOOKBAG_URL": str(http.base_url).rstrip("/"),
            "BOOKBAG_API_KEY": secret,
            "AGENT_ID": str(agent.pk),
            "no_proxy": "*",  # the server is on this machine
        }
        if own_curl or shutil.which("curl") is None:
            environment["PATH"] = f"{_own_curl(tmp_path)}:{environment['PATH']}"
        Image.new("RGB", (64, 64), "#3b81f6").save(tmp_path / "icon.png")
        return Reader(agent, key, tmp_path, environment)

    return make


def _teach(agent: Agent, plan: northwind.DemoAgent) -> None:
    own = {"workspace_id": agent.workspace_id, "agent": agent}
    sources = [
        Source(**own, kind=SourceKind.TEXT, title=title, content=text)
        for title, text in northwind.texts(plan.folder).items()
    ] + [
        Source(**own, kind=SourceKind.QA, title=asked, question=asked, content=said)
        for asked, said in plan.answers.items()
    ]
    for source in sources:
        with transaction.atomic():  # or the server's sweeper may see it first
            source.save()
            indexing.index_source(source.pk)


def _own_curl(folder: Path) -> Path:
    place = folder / "bin"
    place.mkdir()
    script = place / "curl"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {CURL} "$@"\n')
    script.chmod(0o755)
    return place
