"""A shop's agent on the real server, and a client that can read a stream."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from django.db import transaction

from agents import engines
from agents.engine import base
from agents.models import Agent
from apikeys.models import ApiKey
from conversations import turns
from knowledge import indexing
from knowledge.models import Source
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from tests.engines import ScriptedEngine
from tests.faults.conftest import patient as patient
from tests.installation import eventually

SHIPPING = """# Shipping

We ship to the United States, Canada and the European Union.

Delivery to Canada takes 5 to 9 business days. Delivery to Germany takes 7 to 12 days.

Shipping to Canada costs $12. Shipping within the United States costs $6.
"""


@dataclass
class Shop:
    """An agent with knowledge, and the secret of a key for its workspace."""

    agent: Agent
    secret: str
    key: ApiKey
    client: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    @property
    def path(self) -> str:
        return f"/api/v2/agents/{self.agent.pk}/chat"

    def chat(self, message: str, **body: Any) -> httpx.Response:
        return self.post({"message": message, "stream": False, **body})

    def post(self, body: dict[str, Any]) -> httpx.Response:
        """Any body; the answer is held against the OpenAPI document."""
        response = self.client.post(self.path, headers=self.headers, json=body)
        check_response(response, "POST", self.path)
        return response

    def leave(
        self,
        body: dict[str, Any],
        *,
        path: str,
        once: Callable[[], bool],
        **headers: str,
    ) -> None:
        """Posts, and hangs up unanswered as soon as that has come about."""
        url, content = self.client.base_url, json.dumps(body).encode()
        request = httpx.Request(
            "POST",
            f"{url}{path}",
            headers=self.headers | {"Content-Type": "application/json"} | headers,
            content=content,
        )
        head = b"".join(
            b"%s: %s\r\n" % (name, value) for name, value in request.headers.raw
        )
        with closing(socket.create_connection((url.host, url.port))) as wire:
            wire.sendall(
                f"POST {path} HTTP/1.1\r\n".encode() + head + b"\r\n" + content
            )
            eventually(once)

    @contextmanager
    def stream(self, message: str, **body: Any) -> Iterator["Stream"]:
        with self.client.stream(
            "POST", self.path, headers=self.headers, json={"message": message, **body}
        ) as response:
            check_response(response, "POST", self.path)
            yield Stream(response, response.iter_lines())


@dataclass
class Stream:
    response: httpx.Response
    lines: Iterator[str]
    frames: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def next(self) -> dict[str, Any] | None:
        """The next frame, or None at `[DONE]`."""
        for line in self.lines:
            self.raw.append(line)
            if line == "data: [DONE]":
                return None
            if line:
                self.frames.append(json.loads(line.removeprefix("data: ")))
                return self.frames[-1]
        raise AssertionError("The stream ended without [DONE].")

    def rest(self) -> list[dict[str, Any]]:
        while self.next() is not None:
            pass
        assert list(self.lines) in ([], [""]), "something came after [DONE]"
        return self.frames

    @property
    def text(self) -> str:
        return "".join(f["text"] for f in self.frames if f["type"] == "text-delta")


def make_shop(client: httpx.Client, *, model: str = "embedded") -> Shop:
    workspace = make_workspace("Shop")
    agent = Agent.objects.create(
        workspace=workspace,
        name="Support",
        model=model,
        fallback_message="Ask our team, please.",
    )
    key, secret = ApiKey.objects.issue(workspace, label="Tests")
    return Shop(agent, secret, key, client)


@pytest.fixture
def shop(http: httpx.Client) -> Shop:
    shop = make_shop(http)
    teach_shipping(shop.agent)
    return shop


def teach_shipping(agent: Agent) -> None:
    with transaction.atomic():  # or a sweeper may see it first
        source = Source.objects.create(
            workspace_id=agent.workspace_id,
            agent=agent,
            kind="text",
            title="Shipping",
            content=SHIPPING,
        )
        indexing.index_source(source.pk)


class HeldEngine(ScriptedEngine):
    """One that goes on after its `first` words only when it is let go."""

    def __init__(self, words: list[str], *, first: int = 1, **script: Any) -> None:
        super().__init__(words, **script)
        self.first = first
        self.let_go = threading.Event()

    def is_done(self) -> bool:
        return self.closed == self.started

    async def stream(self, request: base.Request) -> AsyncGenerator[base.Event, None]:
        given = 0
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                # The test lets go from its own thread, which asyncio.Event is not for.
                while given >= self.first and not self.let_go.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                yield event
                given += 1


ScriptedShop = Callable[..., tuple[Shop, ScriptedEngine]]
HeldShop = Callable[..., tuple[Shop, HeldEngine]]


@pytest.fixture
def scripted(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> ScriptedShop:
    """A shop whose agent's model follows a script."""

    def make(words: list[str], **script: Any) -> tuple[Shop, ScriptedEngine]:
        engine = ScriptedEngine(words, **script)
        monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
        return make_shop(http, model="scripted"), engine

    return make


@pytest.fixture
def held(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldShop]:
    """As `scripted`, with an engine that waits for the test: what is to happen while a
    reply is being made has all the time it takes."""
    made: list[HeldEngine] = []

    def make(words: list[str], **script: Any) -> tuple[Shop, HeldEngine]:
        made.append(HeldEngine(words, **script))
        monkeypatch.setitem(engines.ENGINES, "scripted", lambda: made[-1])
        return make_shop(http, model="scripted"), made[-1]

    yield make
    for engine in made:
        engine.let_go.set()
        eventually(engine.is_done)


class Threshold:
    """Where turns wait before they begin."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()
        self.begin = turns.begin

    def __call__(self, *args: Any, **words: Any) -> turns.Turn:
        self.reached.set()
        assert self.let_go.wait(60)
        return self.begin(*args, **words)


@pytest.fixture
def threshold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threshold]:
    threshold = Threshold()
    monkeypatch.setattr(turns, "begin", threshold)
    yield threshold
    threshold.let_go.set()
