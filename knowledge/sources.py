"""How an agent is given something to know, or something else than before.

Whatever is given waits to be indexed, and a worker is woken once it is committed.
"""

from django.db import transaction

from bookbag import background, outbound
from bookbag.tenancy import TenantModel, TenantQuerySet
from knowledge import indexing, tasks
from knowledge.models import MAX_TITLE, Source, SourceKind


def add_text(agent: TenantModel, *, title: str, text: str) -> Source:
    return _add(agent, kind=SourceKind.TEXT, title=title, content=text)


def add_url(agent: TenantModel, url: str) -> Source:
    """A web page, which is fetched when it is indexed; one that the agent has already
    is fetched again. Raises OutboundRefused, with a sentence, for what never can be."""
    outbound.check(url)
    known = _sources(agent).filter(kind=SourceKind.URL, url=url).order_by("id").first()
    if known is None:
        return _add(agent, kind=SourceKind.URL, title=url[:MAX_TITLE], url=url)
    with transaction.atomic():
        _index_again(known)
    return known


def replace_text(agent: TenantModel, *, title: str, text: str) -> Source:
    """The agent's text of that title says this from now on, and is made if need be."""
    while True:
        with transaction.atomic():
            source = _text_of(agent, title).select_for_update().first()
            if source is not None:
                source.content = text
                source.save(update_fields=["content", "updated_at"])
                _index_again(source)
                return source
            # Two who both find none make one: the second waits here.
            agents = type(agent)._default_manager.select_for_update(no_key=True)
            agents.get(pk=agent.pk)
            if not _text_of(agent, title).exists():
                return add_text(agent, title=title, text=text)
            # Back to the savepoint, which lets go of the agent, whatever transaction is
            # around this one: workers lock a source first, and its agent second.
            transaction.set_rollback(True)


def _add(agent: TenantModel, **values: str) -> Source:
    with transaction.atomic():
        source = Source.objects.create(
            workspace_id=agent.workspace_id, agent_id=agent.pk, **values
        )
        background.wake(tasks.index_source, source.pk)
    return source


def _index_again(source: Source) -> None:
    indexing.queue(source)
    background.wake(tasks.index_source, source.pk)


def _sources(agent: TenantModel) -> TenantQuerySet[Source]:
    return Source.objects.for_workspace(agent.workspace_id).filter(agent=agent.pk)


def _text_of(agent: TenantModel, title: str) -> TenantQuerySet[Source]:
    texts = _sources(agent).filter(kind=SourceKind.TEXT, title=title)
    return texts.order_by("id")
