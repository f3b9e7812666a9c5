"""`manage.py import_chatbase`, as an operator sees it."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from agents.models import Agent
from apikeys.models import ApiKey
from conversations.models import Conversation
from imports.management.commands import import_chatbase
from imports.progress import Bar, Lines
from tests.conftest import make_workspace
from tests.imports.source import KEY, SmallChatbase, fill, send
from workspaces.models import Workspace


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def run(source: SmallChatbase, key_file: Path, workspace: Workspace) -> Any:
    """Runs the command and gives what it prints."""

    def call(*options: str, **others: Any) -> str:
        out = io.StringIO()
        own_key = any(option.startswith("--key") for option in options)
        key = () if own_key else ("--key-file", str(key_file))
        where = ("--from", source.url, "--workspace", str(workspace.pk))
        call_command("import_chatbase", *where, *key, *options, stdout=out, **others)
        return out.getvalue()

    return call


REPORT = """\
               made  known  changed  skipped
agents            2      0        0        0
attributes        3      0        0        0
contacts          3      0        0        0
conversations     6      0        0        0
messages         11      0        0        0
leads             3      0        0        0

agents, 1: the model “gpt-4o-mini” is not here; “embedded” answers instead (help)

The agents know nothing yet: Chatbase's API does not give what they were trained on.
Add their sources; then give your programs the new address and key.
docs/importing-from-chatbase.md says what else stayed behind.
"""


def test_it_works(
    source: SmallChatbase, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(source)
    assert run() == REPORT
    assert Conversation.objects.count() == 6
    said = capsys.readouterr().err  # no terminal: a line for each list
    assert said.splitlines() == [
        "Agents: 2",
        "Agent shop: attributes: 3",
        "Agent shop: contacts: 3",
        "Agent shop: conversations: 5",
        "Agent shop: leads: 3",
        "Agent help: attributes: 0",
        "Agent help: contacts: 0",
        "Agent help: conversations: 1",
        "Agent help: leads: 0",
    ]
    assert run().rstrip().endswith("There was nothing new.")


def test_the_key_from_a_variable_or_the_standard_input(
    source: SmallChatbase, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_KEY", KEY)
    run("--key-env", "THEIR_KEY")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{KEY}\n"))
    run("--key-file", "-")
    run("--key", KEY)
    assert {asked.authorization for asked in source.asked} == {f"Bearer {KEY}"}
    assert len(source.asked) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--key-env", "NOT_THERE"), "There is no environment variable NOT_THERE."),
        (
            ("--key-file", "/not/there"),
            "The key file /not/there cannot be read: No such",
        ),
        (("--key-file", "/"), "cannot be read: Is a directory."),
        (("--key", "ä"), "The API key is empty, or has characters that no key has."),
        (("--key", "wrong"), "does not accept the API key (401)"),
        (("--only", "agents,furniture"), "there is no “furniture”, only: agents, "),
        (("--since", "31.01.2026"), "“31.01.2026” is no day; one is written as in"),
        (("--agent", "nope"), "The source has no agent nope. It has: shop, help."),
        (("--workspace", "Nowhere"), "No workspace is called “Nowhere”. There are:\n"),
        (("--from", "chatbase.co"), "This is not the address of an API"),
    ],
)
def test_what_it_says_when_it_cannot_begin(
    source: SmallChatbase,
    run: Any,
    options: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(source)
    with pytest.raises(CommandError) as problem:
        run(*options)
    assert said in str(problem.value)
    assert capsys.readouterr().err == ""  # nothing of a list that has not begun
    assert not Agent.objects.exists()


def test_the_key_has_to_come_from_somewhere(workspace: Workspace) -> None:
    with pytest.raises(CommandError, match="one of the arguments --key-file"):
        call_command("import_chatbase", "--workspace", "1")
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("import_chatbase", "--workspace=1", "--key=a", "--key-env=b")


def test_a_workspace_by_its_name(
    source: SmallChatbase, run: Any, key_file: Path
) -> None:
    fill(source)
    named = make_workspace("By name")
    run("--workspace", "By name")
    assert Agent.objects.for_workspace(named).count() == 2
    make_workspace("By name")
    with pytest.raises(CommandError, match="Several workspaces are called “By name”"):
        run("--workspace", "By name")


def test_a_workspace_is_not_brought_into_itself(
    source: SmallChatbase, run: Any, workspace: Workspace
) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="Own")
    with pytest.raises(CommandError, match="This is a key of “Acme” itself"):
        run("--key", secret)
    assert source.asked == []


def test_only_some_and_since_and_just_to_see(source: SmallChatbase, run: Any) -> None:
    fill(source)
    options = ["--agent", "shop", "--only", "agents, leads", "--since", "2026-01-31"]
    said = run(*options, "--dry-run")
    assert "Nothing was written: without --dry-run it would be." in said
    assert not Agent.objects.exists()
    run(*options)
    assert [agent.name for agent in Agent.objects.all()] == ["Agent shop"]
    assert Agent.objects.get().leads.count() == 3
    assert not Conversation.objects.exists()


def test_a_source_that_is_silent_ends_it_with_what_to_do(
    source: SmallChatbase, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("imports.chatbase.ATTEMPTS", 2)
    fill(source)
    busy = {"Retry_After": "0"}
    source.faults = dict.fromkeys(
        range(5, 9), lambda request: send(request, 503, {"message": "Busy"}, **busy)
    )
    with pytest.raises(CommandError, match="it goes on where it was"):
        run()
    assert "Waiting 0 seconds: status 503: Busy." in capsys.readouterr().err
    source.faults = {}
    assert run() == REPORT
    assert "Going on where an earlier run broke off." in capsys.readouterr().err


def test_stopped_with_ctrl_c(source: SmallChatbase, run: Any) -> None:
    fill(source)

    class Impatient(Lines):
        def advance(self, rows: int) -> None:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_chatbase, "watcher_for", Impatient)
        with pytest.raises(CommandError, match="Stopped. Run the same") as problem:
            run()
    assert problem.value.returncode == 130
    assert run() == REPORT


def test_the_key_is_shown_nowhere(
    source: SmallChatbase, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(source)
    said = [run(f"--verbosity={level}") for level in range(4)]
    source.faults = {len(source.asked) + 1: lambda r: send(r, 400, {"message": KEY})}
    with pytest.raises(CommandError, match=r"Of its agents.*\(400: …\)") as problem:
        run()
    said += [str(problem.value), *capsys.readouterr()]
    assert not [text for text in said if KEY in text]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_at_a_terminal() -> None:
    terminal = Terminal()
    bar = Bar(terminal)
    bar.begin("Shop \x1b[2J: contacts", None)
    bar.expect(40)
    bar.advance(10)
    bar.say("Waiting 3 seconds.")
    bar.advance(30)
    bar.end()
    bar.end()
    shown = terminal.getvalue()
    assert "Shop �[2J: contacts: 100%" in shown
    assert "40/40" in shown
    assert "Waiting 3 seconds.\n" in shown


def test_words_of_the_source_move_no_cursor(source: SmallChatbase, run: Any) -> None:
    source.add("shop").row["model"] = "\x1b[2J"
    assert "the model “�[2J” is not here" in run()
    source.faults = {len(source.asked) + 1: lambda r: send(r, 400, {"message": "\x1b"})}
    with pytest.raises(CommandError) as problem:
        run()
    assert "\x1b" not in str(problem.value)


def test_names_of_the_source_move_no_cursor() -> None:
    stream = io.StringIO()
    Lines(stream).say("a\x1b[31m\nb\r")
    assert stream.getvalue() == "a�[31m�b�\n"


@pytest.mark.parametrize("around", ["{}\n", " {}\r\n"])
def test_nor_is_it_where_the_key_comes_from_a_file(
    source: SmallChatbase, run: Any, workspace: Workspace, tmp_path: Path, around: str
) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="Own")
    file = tmp_path / "own"
    file.write_text(around.format(secret))
    with pytest.raises(CommandError, match="This is a key of “Acme” itself"):
        run("--key-file", str(file))
    assert source.asked == []
