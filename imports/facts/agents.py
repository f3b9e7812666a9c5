"""What the source says of an agent."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Self

from agents.models import Agent
from bookbag.api.fields import is_blank
from imports.facts.columns import longest
from imports.facts.marks import mark
from imports.facts.row import Row


@dataclass(frozen=True, kw_only=True)
class AgentFacts:
    source_id: str
    name: str
    instructions: str | None
    model: str | None
    is_public: bool
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    remarks: list[str]

    @classmethod
    def of(cls, raw: object) -> Self:
        row = Row(raw)
        source_id = row.id("id", "chatbotId", "chatbot_id")
        name = row.text(
            "name", "chatbotName", "chatbot_name", most=longest(Agent, "name")
        )
        return cls(
            source_id=source_id,
            name=f"Chatbot {source_id}"[:120] if is_blank(name or "") else name or "",
            instructions=row.text(
                "instructions", "basePrompt", most=longest(Agent, "instructions")
            ),
            model=row.text("model", most=longest(Agent, "model")) or None,
            is_public=row.get("visibility") != "private",
            created_at=row.time("created_at", "createdAt"),
            updated_at=row.time("updated_at", "updatedAt"),
            remarks=row.remarks,
        )

    @property
    def marks(self) -> dict[str, Any]:
        return {
            "name": mark(self.name),
            "instructions": mark(self.instructions),
            "model": mark(self.model),
            "is_public": mark(self.is_public),
        }
