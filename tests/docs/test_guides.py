"""What the guides say of endpoints, codes and each other is so."""

import re
import unicodedata
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from agents.engine import phrases
from agents.engine.base import ToolSpec
from bookbag.api.clothes import message_only, success_flag
from bookbag.api.errors import CODES, OPT_IN_CODES, of_status
from bookbag.api.schema import document
from tests.docs.blocks import GUIDES, MOVING, ROOT, guides, pages

# Of the same status, and not of every error of it.
EXACT = ("`Invalid request data`", "`No API key provided.`", "`Invalid API key.`")
ALL_CODES = {*CODES, *OPT_IN_CODES}
CONFIGURATION = ROOT / "docs/configuration.md"
PAGES = [
    *pages(),
    ROOT / "docs/README.md",
    ROOT / "docs/importing-from-chatbase.md",
    CONFIGURATION,
    ROOT / "README.md",
]
_METHOD = r"GET|POST|PUT|PATCH|DELETE"
_PREFIXES = (
    "AUTH",
    "CHAT",
    "IDEMPOTENCY",
    "INTERNAL",
    "RATE",
    "RESOURCE",
    "VALIDATION",
)


def text_of(page: str) -> str:
    return (GUIDES / page).read_text(encoding="utf-8")


def path_of(template: str) -> str:
    """`:agentId` and `{agent_id}` are the same."""
    return re.sub(r":\w+|\{\w+\}", ":id", template)


def paths() -> dict[str, dict[str, object]]:
    """Of both documents."""
    return {**document("v1")["paths"], **document()["paths"]}


def test_every_endpoint_has_a_line_and_every_line_an_endpoint() -> None:
    rows = re.findall(
        rf"^\| ({_METHOD}) \| `([^`]+)` \|", text_of("README.md"), re.MULTILINE
    )
    told = [(method, path_of(path)) for method, path in rows]
    there = {
        (method.upper(), path_of(path))
        for path, operations in paths().items()
        for method in operations
        if path.startswith(("/api/v2/", "/api/v1/", "/v1/"))
    }
    assert len(told) == len(set(told))
    assert set(told) == there


def test_addresses_in_prose_are_endpoints() -> None:
    there = {path_of(path) for path in paths()}
    for page in pages():
        for path in re.findall(
            rf"`(?:{_METHOD}) ([/…][^`?]*)", page.read_text("utf-8")
        ):
            wanted = path_of(path).removeprefix("…")
            assert any(known.endswith(wanted) for known in there), (page.name, path)


def test_every_code_is_told_and_every_told_code_is_one() -> None:
    rows = re.findall(
        r"^\| (\d{3}) \| `([A-Z_]+)` \|", text_of("errors-and-limits.md"), re.MULTILINE
    )
    assert {code for _, code in rows} == ALL_CODES
    for page in guides():
        words = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", page.read_text("utf-8")))
        codes = {word for word in words if word.startswith(_PREFIXES)}
        assert codes <= ALL_CODES, page.name


def test_codes_have_their_statuses() -> None:
    """In each page's tables the same as in the table of all."""
    row = re.compile(r"^\| (\d{3}) \| `([A-Z_]+)` \|", re.MULTILINE)
    told = set(row.findall(text_of("errors-and-limits.md")))
    for page in guides():
        assert set(row.findall(page.read_text("utf-8"))) <= told, page.name


def anchor(heading: str) -> str:
    """As GitHub makes one of it."""
    kept = [
        c for c in heading.lower() if c in " -_" or unicodedata.category(c)[0] in "LN"
    ]
    return "".join(kept).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {anchor(heading) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in link:
            continue
        place, _, fragment = link.partition("#")
        target = (page.parent / place) if place else page
        assert target.exists(), link
        if fragment:
            assert fragment in anchors(target), link


def test_all_guides_are_linked() -> None:
    links = set(re.findall(r"\]\(([\w-]+\.md)\)", text_of("README.md")))
    assert links == {page.name for page in guides()} - {"README.md"}


def test_every_setting_is_told_and_every_told_setting_is_one() -> None:
    told = re.findall(
        r"`([A-Z]+(?:_[A-Z]+)*)`",
        "".join(
            line.split("|")[1]
            for line in CONFIGURATION.read_text("utf-8").splitlines()
            if line.startswith("| `")
        ),
    )
    read = (ROOT / "bookbag/settings.py").read_text("utf-8")
    there = re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", read)
    # How many processes there are is the command's business.
    assert sorted(told) == sorted([*there, "BOOKBAG_WORKERS"])


def test_v1s_sizes_are_those_that_are_let_in() -> None:
    sizes = [settings.MAX_BODY_BYTES, *settings.LARGE_BODIES.values()]
    told = {f"{size // 2**20} MiB" for size in sizes}
    for text in (text_of("v1.md"), MOVING.read_text("utf-8")):
        assert set(re.findall(r"\b\d+ MiB", text)) == told


def test_example_phrases_are_heard_as_the_guide_says() -> None:
    rows = re.findall(r"^\| “(.+)” \| (heard|not heard)", text_of("tools.md"), re.M)
    tool = ToolSpec(
        "order_status",
        "",
        {"type": "object", "properties": {"number": {"type": "integer"}}},
        examples=("Where is order {number}?",),
    )
    assert len(rows) >= 4
    for message, verdict in rows:
        called = phrases.call_for([tool], message)
        wanted = ("order_status", {"number": 1042}) if verdict == "heard" else None
        assert called == wanted, message


def test_each_of_chatbases_calls_is_in_the_table_of_differences() -> None:
    calls = yaml.safe_load((ROOT / "tests/clients/chatbase/openapi.yaml").read_text())
    table = MOVING.read_text("utf-8").partition("## Every difference")[2]
    for path in calls["paths"]:
        # What is beneath a list is told with the list.
        named = re.sub(r"(custom-attributes|contacts)/.*", r"\1", path_of(path))
        assert named in path_of(table), path


def test_v1s_errors_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \| (.+?) \|", text_of("v1.md"), re.M)
    assert {status for status, *_ in rows} == {
        status
        for operations in document("v1")["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
        if status >= "400"
    }
    for status, message, codes in rows:
        error = of_status(int(status))
        assert f"`{success_flag(error)['error']['code']}`" in codes
        assert message in ("its own", f"`{message_only(error)['message']}`", *EXACT)
