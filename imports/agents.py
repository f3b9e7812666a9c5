"""Agents, as they are brought."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from agents.engines import is_known
from agents.models import Agent, AgentStatus
from imports.facts.agents import AgentFacts
from imports.models import ImportedRow
from imports.page import Page, differing
from imports.summary import CHANGED, KNOWN, MADE

DEFAULT_MODEL = Agent._meta.get_field("model").get_default()


def take(page: Page, facts: Sequence[AgentFacts]) -> dict[str, Agent]:
    """Makes those that are new, and changes of the others what has changed at the
    source. All agents that are here then, by the source's ids."""
    known = page.known(facts)
    found = here(page, known)
    for one in facts:
        if (row := known.get(one.source_id)) is None:
            page.count(MADE)
            if page.write:
                found[one.source_id] = _make(page, one)
        elif one.source_id not in found:
            page.skip(one, "it has been archived here since")
        else:
            _change(page, one, row, found[one.source_id])
    return found


def here(page: Page, known: dict[str, ImportedRow]) -> dict[str, Agent]:
    agents = Agent.objects.for_workspace(page.origin.workspace_id).existing()
    by_id = agents.in_bulk([row.row_id for row in known.values()])
    return {
        name: by_id[row.row_id] for name, row in known.items() if row.row_id in by_id
    }


def _make(page: Page, one: AgentFacts) -> Agent:
    agent = Agent.objects.create(
        workspace_id=page.origin.workspace_id,
        name=one.name,
        instructions=one.instructions or "",
        model=_model(page, one),
        status=_status(one),
        created_at=one.created_at or timezone.now(),
    )
    _update(agent, one)
    page.note([(one, agent.pk)], agent)
    return agent


def _change(page: Page, one: AgentFacts, row: ImportedRow, agent: Agent) -> None:
    changed = differing(row, one)
    if not changed:
        page.count(KNOWN)
        return
    page.count(CHANGED)
    if not page.write:
        return
    values: dict[str, Any] = {}
    if "name" in changed:
        values["name"] = one.name
    if "instructions" in changed:
        values["instructions"] = one.instructions or ""
    if "model" in changed:
        values["model"] = _model(page, one)
    if "is_public" in changed:
        values["status"] = _status(one)
    _update(agent, one, **values)
    row.marks = one.marks
    page.note_again([row])


def _update(agent: Agent, one: AgentFacts, **values: Any) -> None:
    # Not save(), which would have it changed just now.
    values["updated_at"] = one.updated_at or timezone.now()
    Agent.objects.filter(pk=agent.pk).update(**values)
    for name, value in values.items():
        setattr(agent, name, value)


def _model(page: Page, one: AgentFacts) -> str:
    if one.model is None or is_known(one.model):
        return one.model or DEFAULT_MODEL
    page.remark(
        one,
        f"the model “{one.model}” is not here; “{DEFAULT_MODEL}” answers instead",
    )
    return DEFAULT_MODEL


def _status(one: AgentFacts) -> AgentStatus:
    return AgentStatus.ACTIVE if one.is_public else AgentStatus.DRAFT
