"""Every snippet of the guides is pasted as it stands, and prints what they show."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents import identity
from agents.models import Action
from tests.clients import node
from tests.conftest import make_user
from tests.docs.blocks import GUIDES, ROOT, RUN, SHOWN, Block, blocks, pages
from tests.docs.comparing import as_json
from tests.docs.conftest import MakeReader, Reader
from tests.docs.wire import FrayedWire

HERE = Path(__file__).parent
# Blocks that say that they are not run. Whoever adds one has a good reason.
NOT_RUN = 5
WITH_ACTION = ("tools", "ai-sdk")
WITH_PACKAGES = {
    "ai-sdk": HERE / "aisdk",
    "moving-from-chatbase": HERE.parent / "clients/chatbase",  # axios
}
WITH_SECRET = ("v1-visitors",)


def read(reader: Reader, page: Path) -> None:
    """The page from top to bottom."""
    printed: str | None = None
    for block in blocks(page):
        try:
            if block.not_run:
                continue
            if block.language in RUN:
                assert not printed, f"what it prints is not shown:\n{printed}"
                printed = reader.paste(block)
            else:
                check_shown(reader, block, printed)
                printed = None
        except AssertionError as problem:
            place = f"{page.name}:{block.line}"
            raise AssertionError(f"{place}: {problem}") from problem
    assert not printed, f"{page.name}: what its last block prints is not shown"


def check_shown(reader: Reader, block: Block, printed: str | None) -> None:
    assert block.language in SHOWN, f"a block of “{block.language}” is never run"
    assert printed, "it shows what nothing has printed"
    if block.language == "json":
        reader.names.compare(as_json(block.text), as_json(printed))
    else:
        reader.names.compare_text(block.text, printed)


def make_action(reader: Reader) -> None:
    """The one of the guide's table, where the guide says: in Django's admin."""
    page = (GUIDES / "tools.md").read_text(encoding="utf-8")
    given = dict(re.findall(r"^\| ([A-Z]\w+) \| `(.+?)` \|", page, re.MULTILINE))
    form = {name.lower(): value for name, value in given.items()}
    assert set(form) == {
        *("name", "kind", "description", "parameters", "examples", "reply"),
    }
    staff = make_user("staff")
    staff.is_staff = staff.is_superuser = True
    staff.save()
    client = Client()
    client.force_login(staff)
    agent = reader.agent
    rest = {"workspace": agent.workspace_id, "agent": agent.pk, "enabled": "on"}
    answer = client.post(reverse("admin:agents_action_add"), form | rest)
    assert answer.status_code == 302, answer.content.decode()
    assert Action.objects.filter(agent=agent, name="order_status").exists()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_guides_snippets_do_what_it_says(page: Path, reader: MakeReader) -> None:
    one = reader()
    if page.stem in WITH_ACTION:
        make_action(one)
    if page.stem in WITH_PACKAGES:
        node.install(WITH_PACKAGES[page.stem], one.folder)
    if page.stem in WITH_SECRET:
        one.environment["IDENTITY_SECRET"] = identity.secret_of(one.agent)
    read(one, page)


def test_the_readmes_first_question_is_answered_as_it_says(reader: MakeReader) -> None:
    """With the reader's own address, agent and key, as `make run` prints them."""
    one = reader()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    chunks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    asked, streamed, whole = chunks[0], chunks[1], chunks[2]
    curl = "curl" + asked.partition("    curl")[2]
    for shown, own in {
        "http://127.0.0.1:8000": '"$BOOKBAG_URL"',
        "/agents/1/": '/agents/"$AGENT_ID"/',
        "oc_test_782FajEO…": "$BOOKBAG_API_KEY",
    }.items():
        assert shown in curl
        curl = curl.replace(shown, own)
    printed = one.paste(Block("bash", curl, 0))
    one.names.compare_text(textwrap.dedent(streamed).strip(), printed)
    curl = curl.replace('?"}', '?", "stream": false}')
    one.names.compare(as_json(whole), as_json(one.paste(Block("bash", curl, 0))))


def test_they_need_no_curl_of_the_machines(reader: MakeReader) -> None:
    read(reader(own_curl=True), GUIDES / "chat.md")


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_who_tries_again_as_the_guide_says_waits_out_the_limit(
    language: str, reader: MakeReader, settings: Any
) -> None:
    settings.RATE_LIMIT_WINDOW = 4
    one = reader()
    one.key.rate_limit = 1
    one.key.save(update_fields=["rate_limit"])
    page = blocks(GUIDES / "errors-and-limits.md")
    snippet = next(b for b in page if b.language == language)
    me = next(blocks(GUIDES / "authentication.md"))
    one.paste(me)  # that was the one request there was
    assert one.paste(snippet) == "Shipping to Canada costs $12. [1]\n"


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_who_resumes_as_the_guide_says_loses_nothing(
    language: str, reader: MakeReader
) -> None:
    one = reader()
    page = blocks(GUIDES / "resume-and-idempotency.md")
    snippet = next(block for block in page if block.language == language)
    # The headers and a few frames; then a few more, twice.
    with FrayedWire(one.environment["BOOKBAG_URL"], [800, 700, 700]) as wire:
        one.environment["BOOKBAG_URL"] = wire.url
        printed = one.paste(snippet)
    assert printed.startswith("Delivery to Canada takes 5 to 9 business days. [1]\n")
    assert wire.cuts == []


def test_next_to_none_are_not_run() -> None:
    told = [block for page in pages() for block in blocks(page) if block.not_run]
    assert len(told) == NOT_RUN
    assert {b.language for b in told} == {"bash", "jsx"}
