"""What the guides say of endpoints, codes and each other is so."""

import re
import unicodedata
from pathlib import Path

import pytest

from agents.engine import phrases
from agents.engine.base import ToolSpec
from bookbag.api.errors import CODES, OPT_IN_CODES
from bookbag.api.schema import document
from tests.docs.blocks import GUIDES, ROOT, guides

ALL_CODES = {*CODES, *OPT_IN_CODES}
PAGES = [*guides(), ROOT / "docs/README.md", ROOT / "README.md"]
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


def test_every_endpoint_has_a_line_and_every_line_an_endpoint() -> None:
    rows = re.findall(
        rf"^\| ({_METHOD}) \| `([^`]+)` \|", text_of("README.md"), re.MULTILINE
    )
    told = [(method, path_of(path)) for method, path in rows]
    there = {
        (method.upper(), path_of(path))
        for path, operations in document()["paths"].items()
        for method in operations
        if path.startswith(("/api/v2/", "/v1/"))
    }
    assert len(told) == len(set(told))
    assert set(told) == there


def test_addresses_in_prose_are_endpoints() -> None:
    there = {path_of(path) for path in document()["paths"]}
    for page in guides():
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
