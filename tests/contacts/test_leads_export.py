"""An agent's leads as a table that spreadsheets open, and take for nothing else."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from agents.models import Agent
from apikeys.models import ApiKey
from contacts import leads, sheets
from contacts.models import Lead
from conversations.models import Conversation
from tests.api.openapi import check_response
from tests.conftest import make_workspace
from usage.export_lease import ExportRunning, Lease
from usage.models import AuditEvent
from workspaces.models import Workspace

Export = Callable[[], list[list[str]]]
FIXED = ["id", "created_at", "name", "email", "phone", "conversation_id"]
DANGEROUS = "=+-@＝＋－＠\t\r\n"


def read(table: bytes) -> list[list[str]]:
    text = table.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.fixture
def export(agent: Agent) -> Export:
    return lambda: read(b"".join(sheets.pages(agent)))


# --- Over HTTP ----------------------------------------------------------------------


def test_it_works(http: httpx.Client) -> None:
    """From the real server: written as it is read."""
    workspace = make_workspace()
    agent = Agent.objects.create(workspace=workspace, name="Support")
    key, secret = ApiKey.objects.issue(workspace, label="Tests")
    talk = Conversation.objects.create(workspace=workspace, agent=agent)
    lead = leads.capture(
        agent,
        fields={"Company": 'Ä "Engines", Ltd.', "Age": 36},
        name="Ada",
        phone="+49 170",
        conversation_id=talk.pk,
    )
    path = f"/api/v1/agents/{agent.pk}/leads/export"
    response = http.get(path, headers={"Authorization": f"Bearer {secret}"})
    check_response(response, "GET", path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith(f'attachment; filename="leads-{agent.pk}-20')
    assert response.content.startswith(b"\xef\xbb\xbf")  # by which Excel knows UTF-8
    assert response.content.endswith(b"\r\n")
    header, row = read(response.content)
    assert header == [*FIXED, "Company", "Age"]
    assert row[0] == str(lead.pk)
    assert row[1].endswith("Z")
    assert row[2:] == [
        *("Ada", "", "'+49 170", str(talk.pk)),
        *('Ä "Engines", Ltd.', "36"),
    ]
    audit = AuditEvent.objects.get(workspace=workspace)
    assert (audit.action, audit.target) == ("leads.exported", f"agent:{agent.pk}")
    assert (audit.actor, audit.detail) == (None, {"api_key": key.pk})


class Exporter:
    """One who has a key to an agent without leads."""

    def __init__(self, client: httpx.Client) -> None:
        self.workspace = make_workspace()
        agent = Agent.objects.create(workspace=self.workspace, name="Support")
        _, secret = ApiKey.objects.issue(self.workspace, label="Tests")
        self.path = f"/api/v1/agents/{agent.pk}/leads/export"
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._client = client

    def get(self, **headers: str) -> httpx.Response:
        return self._client.get(self.path, headers={**self._headers, **headers})


@pytest.fixture
def exporter(http: httpx.Client) -> Exporter:
    return Exporter(http)


def test_it_is_a_table_whatever_is_accepted(exporter: Exporter) -> None:
    for accept in ("text/html", "application/json", "*/*", "image/png", "x"):
        assert read(exporter.get(Accept=accept).content) == [FIXED]


def test_a_workspace_has_one_export_at_a_time(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = exporter.workspace
    conversations = Lease.take(workspace.pk)
    refused = exporter.get()
    check_response(refused, "GET", exporter.path)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) > 0
    conversations.release()

    pages, refusals = sheets.pages, []

    def watched(agent: Agent) -> Iterator[bytes]:
        for page in pages(agent):
            with pytest.raises(ExportRunning):
                Lease.take(workspace.pk)
            refusals.append(page)
            yield page

    monkeypatch.setattr(sheets, "pages", watched)
    for _ in range(2):  # and is over with the last byte
        assert read(exporter.get().content) == [FIXED]
    assert refusals
    audited = AuditEvent.objects.for_workspace(workspace)
    assert audited.count() == 2  # a refused one has exported nothing


def test_a_table_that_breaks_off_is_given_up(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken(agent: Agent) -> Iterator[bytes]:
        yield b"id"
        raise OperationalError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(sheets, "pages", broken)
        with pytest.raises(httpx.RemoteProtocolError):
            exporter.get()
    assert read(exporter.get().content) == [FIXED]


@pytest.mark.django_db
def test_only_its_method(agent: Agent, workspace: Workspace) -> None:
    _, secret = ApiKey.objects.issue(workspace, label="Tests")
    caller = Client(headers={"authorization": f"Bearer {secret}"})
    response = caller.post(f"/api/v1/agents/{agent.pk}/leads/export")
    assert response.status_code == 405
    assert response.json()["success"] is False


# --- Columns ------------------------------------------------------------------------


def test_without_leads_there_is_a_header(export: Export) -> None:
    assert export() == [FIXED]


def test_one_column_for_every_field_ever_seen(agent: Agent, export: Export) -> None:
    leads.capture(agent, name="Ada", fields={"Zip": "1", "Company": "Engines"})
    leads.capture(agent, name="Bob", fields={"Company": "Tools", "Age": 7})
    header, second, first = export()
    assert header == [*FIXED, "Zip", "Company", "Age"]
    assert first[2:] == ["Ada", "", "", "", "1", "Engines", ""]
    assert second[2:] == ["Bob", "", "", "", "", "Tools", "7"]


def test_what_has_a_column_of_its_own_has_no_second(
    agent: Agent, export: Export
) -> None:
    leads.capture(agent, fields={"Name": "Ada", "EMAIL": "a@b.example", "phone": 7})
    assert export()[0] == FIXED


def test_but_nothing_is_left_out(agent: Agent, export: Export) -> None:
    leads.capture(agent, fields={"name": "Ada", "Name": "Countess"})
    leads.capture(agent, fields={"Name": "Bob"})
    header, second, first = export()
    assert header == [*FIXED, "Name"]
    assert (first[2], first[6]) == ("Ada", "Countess")
    assert (second[2], second[6]) == ("Bob", "Bob")


def test_no_two_columns_have_one_name(agent: Agent, export: Export) -> None:
    fields = {"id": "a", "created_at": "b", "=x": "c", "'=x": "d", "Name": "e"}
    leads.capture(agent, name="Ada", fields={**fields, "id (field)": "f"})
    header, row = export()
    assert len(set(header)) == len(header)
    assert header[6:] == [
        *("id (field)", "created_at (field)", "'=x", "'=x (field)"),
        *("Name", "id (field) (field)"),
    ]
    assert row[6:] == ["a", "b", "c", "d", "e", "f"]


def test_columns_have_an_end(
    agent: Agent, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may leave leads: without it, a table of millions of columns."""
    monkeypatch.setattr(sheets, "MOST_COLUMNS", 3)
    leads.capture(agent, name="Ada", fields={"a": 1, "b": 2})
    leads.capture(agent, name="Bob", fields={"c": 3, "d": 4, "ä": "=x"})
    header, second, first = export()
    assert header == [*FIXED, "a", "b", "c", sheets.OTHERS]
    assert first[6:] == ["1", "2", "", ""]
    assert second[6:9] == ["", "", "3"]
    assert json.loads(second[9]) == {"d": 4, "ä": "=x"}


def test_values_of_all_kinds(agent: Agent, export: Export) -> None:
    fields = {"yes": True, "no": False, "none": None, "float": 1.5, "minus": -5}
    leads.capture(agent, name="Ada", fields=fields)
    assert export()[1][6:] == ["true", "false", "", "1.5", "'-5"]


# --- Rows ---------------------------------------------------------------------------


def test_all_of_them_newest_first_across_pages(
    agent: Agent, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "PAGE", 3)
    moment = Lead(name="x").created_at
    made = Lead.objects.bulk_create(
        Lead(
            workspace=agent.workspace,
            agent=agent,
            name=str(n),
            fields={"n": n},
            created_at=moment,  # all at once: numbers tell them apart
        )
        for n in range(10)
    )
    table = export()
    assert [row[0] for row in table[1:]] == [str(lead.pk) for lead in made[::-1]]
    assert [row[6] for row in table[1:]] == [str(n) for n in range(9, -1, -1)]


def test_only_the_agents_own(
    workspace: Workspace, agent: Agent, export: Export
) -> None:
    sibling = Agent.objects.create(workspace=workspace, name="Sibling")
    leads.capture(sibling, name="Canary", fields={"canary": 1})
    leads.capture(agent, name="Ada")
    header, row = export()
    assert (header, row[2]) == (FIXED, "Ada")


def test_what_comes_meanwhile_is_for_the_next(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions end in any order: a lower number may come later."""
    monkeypatch.setattr(sheets, "PAGE", 2)
    late = leads.capture(agent, name="Dan", fields={"new": 1})
    late.delete()
    for name in ("Ada", "Bob", "Cleo"):
        leads.capture(agent, name=name)
    late.pk = Lead.objects.earliest("pk").pk - 1
    pages = sheets.pages(agent)
    table = next(pages)
    late.save(force_insert=True)
    leads.capture(agent, name="Eve")
    table += b"".join(pages)
    header, *rows = read(table)
    assert header == FIXED
    assert [row[2] for row in rows] == ["Cleo", "Bob", "Ada"]


def test_no_page_grows_with_their_number(agent: Agent) -> None:
    Lead.objects.bulk_create(
        Lead(
            workspace=agent.workspace,
            agent=agent,
            name=str(n),
            fields={f"field {n % 50}": "x" * 100},
        )
        for n in range(1_500)
    )
    pages = list(sheets.pages(agent))
    assert len(pages) >= 2 * 1_500 / sheets.PAGE
    assert max(map(len, pages)) < 2 * sheets.PAGE * 300
    assert len(read(b"".join(pages))) == 1_501


# --- Cells --------------------------------------------------------------------------

CELLS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(
        st.sampled_from("=+-@＝＋－＠\t\r\n\0 \",;'aä\u2028\ufeff|!1("), min_size=1
    )
    | st.builds(str.__add__, st.sampled_from(DANGEROUS), st.text(max_size=5))
)


@profile(max_examples=500, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=4, max_size=8))
def test_ten_thousand_cells_are_read_again_and_none_is_a_formula(
    table: list[list[Any]],
) -> None:
    """500 tables of 20 cells at least."""
    written = sheets.written(table)
    found = list(csv.reader(io.StringIO(written.decode(), newline=""), strict=True))
    assert len(found) == len(table)
    for given_row, found_row in zip(table, found, strict=True):
        for value, cell in zip(given_row, found_row, strict=True):
            assert not cell or cell[0] not in DANGEROUS
            assert not cell.strip() or cell.strip()[0] not in DANGEROUS
            assert "\0" not in cell
            for part in re.split(r"[;\t\r\n]", cell):  # what begins a cell somewhere
                assert not part.strip() or part.strip()[0] not in "=+-@＝＋－＠"
            assert cell.replace("'", "") == plain(value).replace("'", "")
            if not isinstance(value, str):
                assert cell in (plain(value), f"'{plain(value)}")


def plain(value: Any) -> str:
    if value is None:
        return ""
    return value.replace("\0", "") if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+49 170", "'+49 170"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        (" =1", "' =1"),
        ("\0=1", "'=1"),
        ("＝1", "'＝1"),
        (-1, "'-1"),
        ("a;=1;b", "a;'=1;b"),
        ("a; =1", "a; '=1"),
        ("a\n=1", "a\n'=1"),
        ("1-1", "1-1"),
        ("a - b; c", "a - b; c"),
        ("a=b", "a=b"),
        ("'=1", "'=1"),
        ("ada@example.com", "ada@example.com"),
        ("a\nb", "a\nb"),
        (1, "1"),
        ("", ""),
    ],
)
def test_a_formula_has_an_apostrophe_in_front(value: Any, expected: str) -> None:
    assert sheets.cell(value) == expected


def test_rows_end_and_cells_are_quoted_as_rfc_4180_says() -> None:
    table = sheets.written([["a,b", 'say "hi"', "a\nb", "a b", ""]])
    assert table == b'"a,b","say ""hi""","a\nb",a b,\r\n'
