"""Leads, as they are brought. Nobody is told of them: they are old news."""

from collections.abc import Sequence

from django.utils import timezone

from contacts.models import Lead
from imports.facts.leads import LeadFacts
from imports.page import Page
from imports.summary import KNOWN, MADE


def take(page: Page, facts: Sequence[LeadFacts]) -> None:
    known = page.known(facts)
    news = [one for one in facts if one.source_id not in known]
    page.count(KNOWN, len(facts) - len(news))
    page.count(MADE, len(news))
    if not page.write or page.agent is None:
        return
    news.reverse()  # the source begins with the newest; our numbers with the oldest
    leads = Lead.objects.bulk_create(
        Lead(
            workspace_id=page.origin.workspace_id,
            agent=page.agent,
            name=one.name,
            email=one.email,
            phone=one.phone,
            fields=one.given,
            created_at=one.created_at or timezone.now(),
        )
        for one in news
    )
    ids = [lead.pk for lead in leads]
    page.note(list(zip(news, ids, strict=True)), page.agent)
