"""The samples of Chatbase's own page, as they stand there, against the real server.

Nothing of them is changed but what the page asks its readers to fill in, and the host.
Contract §6.1.
"""

import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from agents import engines
from agents.engine import base
from conversations.models import Conversation
from tests.clients import node
from tests.clients.gated import PATIENCE, Gated
from tests.conversations.conftest import ScriptedShop, Shop, make_shop, scripted

__all__ = ["scripted"]  # the fixture

HERE = Path(__file__).parent / "chatbase"
CHATBASE = "https://www.chatbase.co"
QUESTION = "How long does delivery take?"
# The samples decode chunk by chunk: no chunk may end within a character.
WORDS = ["Zwölf ", "Tage,\n", "ungefähr ", "🎉 – ", "ok?"]


@dataclass
class Program:
    """A sample that runs, and what it has printed."""

    process: subprocess.Popen[bytes]
    printed: str = ""

    def print_until(self, end: str) -> None:
        """Reads what it prints until that ends so."""
        output = self.process.stdout
        assert output is not None
        while not self.printed.endswith(end):
            ready, _, _ = select.select([output], [], [], PATIENCE)
            assert ready, f"it said no more than {self.printed!r}"
            more = os.read(output.fileno(), 65_536)
            assert more, f"it ended with {self.printed!r}: {self.errors()}"
            self.printed += more.decode()

    def finish(self) -> str:
        """All that it printed; it must end well."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, errors.decode()
        assert not errors, errors.decode()
        self.printed += output.decode()
        return self.printed

    def errors(self) -> str:
        return self.process.communicate(timeout=PATIENCE)[1].decode()


def fill_in(sample: str, values: dict[str, str]) -> str:
    """The sample with the reader's own values; each has its place there."""
    text = (HERE / sample).read_text()
    for placeholder, value in values.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    return text


@dataclass
class Sample:
    name: str
    command: str
    folder: Path

    @contextmanager
    def run(self, shop: Shop, *, secret: str | None = None) -> Iterator[Program]:
        values = {
            CHATBASE: str(shop.client.base_url).rstrip("/"),
            "<Your-Secret-Key>": shop.secret if secret is None else secret,
            "<Your Chatbot ID>": str(shop.agent.pk),
            "<Your query here>": QUESTION,
        }
        (self.folder / self.name).write_text(fill_in(self.name, values))
        process = subprocess.Popen(
            [self.command, self.name],
            cwd=self.folder,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                yield Program(process)
            finally:
                process.kill()


@pytest.fixture(scope="session")
def axios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which axios is installed."""
    folder = tmp_path_factory.mktemp("axios")
    node.install(HERE, folder)
    return folder


@pytest.fixture(params=["streamer.js", "streamer.py"])
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Sample:
    if request.param == "streamer.py":
        return Sample(request.param, sys.executable, tmp_path)
    return Sample(request.param, str(node.NODE), request.getfixturevalue("axios"))


MakeGated = Callable[[list[str]], tuple[Shop, Gated]]


@pytest.fixture
def gated(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> MakeGated:
    """A shop whose agent waits before each word."""

    def make(words: list[str]) -> tuple[Shop, Gated]:
        engine = Gated(words)
        monkeypatch.setitem(engines.ENGINES, "scripted", lambda: engine)
        return make_shop(http, model="scripted"), engine

    return make


def test_it_prints_the_answer_word_by_word_as_it_is_made(
    sample: Sample, gated: MakeGated
) -> None:
    shop, engine = gated(WORDS)
    with sample.run(shop) as program:
        for number, word in enumerate(WORDS, start=1):
            engine.let.release()
            program.print_until(word)
            # The next one cannot have been said: nobody let it.
            assert program.printed == "".join(WORDS[:number])
        assert program.finish() == "".join(WORDS)
    (request,) = engine.requests
    assert request.turns == [base.Turn("user", QUESTION)]
    assert request.temperature == 0


def test_nothing_is_stored_without_a_conversation_id(
    sample: Sample, scripted: ScriptedShop
) -> None:
    shop, _ = scripted(["Two ", "days."])
    with sample.run(shop) as program:
        assert program.finish() == "Two days."
    assert not Conversation.objects.filter(agent=shop.agent).exists()


def test_a_wrong_key_is_an_error_that_the_sample_prints(
    sample: Sample, scripted: ScriptedShop
) -> None:
    shop, engine = scripted(WORDS)
    with sample.run(shop, secret="wrong") as program:
        # Not to its end: axios leaves the body unread, and Node waits for the server
        # to give the connection up.
        program.print_until("\n")
    assert program.printed.startswith("Error: ")
    assert "401" in program.printed
    assert engine.started == 0


@pytest.mark.parametrize("sample", ["streamer.py"], indirect=True)
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    sample: Sample, scripted: ScriptedShop
) -> None:
    """The connection is closed before the end of the body, which Python's sample
    tells; Node's listens to no errors of the stream."""
    failure = base.EngineError("unavailable", "The model is down.")
    shop, _ = scripted(["Two "], error=failure)
    with sample.run(shop) as program:
        printed = program.finish()
    assert printed.startswith("Two Error: ")
    assert "The model is down." not in printed


def first_message(shop: Shop) -> str:
    """The page's command."""
    values = {
        CHATBASE: str(shop.client.base_url).rstrip("/"),
        "YOUR_API_KEY": shop.secret,
        "your-chatbot-id-here": str(shop.agent.pk),
    }
    return fill_in("first-message.sh", values)


def as_request(command: str) -> httpx.Request:
    """What curl would send."""
    curl, *words = shlex.split(command.replace("\\\n", ""))
    assert curl == "curl"
    method = url = body = ""
    headers = {}
    rest = iter(words)
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(rest)
        else:
            url = word
    return httpx.Request(method, url, headers=headers, content=body)


def test_the_first_message_answers_with_the_text_and_nothing_else(
    scripted: ScriptedShop,
) -> None:
    shop, engine = scripted(WORDS)
    response = shop.client.send(as_request(first_message(shop)))
    assert response.status_code == 200
    assert response.headers["Content-Type"].partition(";")[0] == "application/json"
    assert response.json() == {"text": "".join(WORDS)}
    asked = base.Turn("user", "Hello! How can you help me?")
    assert engine.requests[0].turns == [asked]


@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_the_first_message_can_be_sent_with_curl(scripted: ScriptedShop) -> None:
    shop, _ = scripted(["Two ", "days."])
    done = subprocess.run(
        ["sh", "-c", first_message(shop)],
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"text":"Two days."}'
