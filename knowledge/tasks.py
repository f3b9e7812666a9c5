from celery import shared_task

from bookbag import background
from knowledge import indexing


@shared_task(name="knowledge.index_source")
def index_source(source_id: int) -> None:
    indexing.index_source(source_id)


def sweep() -> None:
    """Wakes workers for every source that waits or whose worker is gone."""
    for source_id in indexing.sweep():
        background.remind(index_source, source_id)
