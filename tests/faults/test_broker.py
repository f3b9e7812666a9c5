"""Background work with a broker: Celery's workers are woken through a real Redis."""

from tests.faults.conftest import Install
from tests.installation import Installation, eventually, kill

SOURCE = (
    "from agents.models import Agent; from bookbag import background;"
    " from knowledge import tasks; from knowledge.models import Source;"
    " agent = Agent.objects.first();"
    " source = Source.objects.create(workspace_id=agent.workspace_id, agent=agent,"
    " kind='text', title='New', content='The lighthouse opens at nine.');"
)
STATUS = "SELECT status FROM knowledge_source WHERE title = 'New'"


def start_worker(shop: Installation) -> object:
    return shop.start(
        "-m", "celery", "-A", "bookbag", "worker", "--pool=solo", "--loglevel=INFO"
    )


def test_a_worker_does_the_work(install: Install, redis_url: str) -> None:
    shop = install(REDIS_URL=redis_url)
    shop.seed()
    start_worker(shop)
    shop.python(SOURCE + " background.wake(tasks.index_source, source.pk)")
    eventually(lambda: shop.rows(STATUS) == [("ready",)])
    assert "knowledge.index_source" in shop.log.read_text()


def test_what_the_broker_forgot_is_found(install: Install, redis_url: str) -> None:
    """Nobody was woken for this row: a serving process finds it, and wakes a worker."""
    shop = install(REDIS_URL=redis_url)
    shop.seed()
    shop.python(SOURCE)
    start_worker(shop)
    server = shop.serve()
    eventually(lambda: shop.rows(STATUS) == [("ready",)])
    kill(server)


def test_a_broker_that_is_away_loses_nothing(install: Install) -> None:
    shop = install(CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    shop.seed()
    shop.python(SOURCE + " background.wake(tasks.index_source, source.pk)")
    assert shop.rows(STATUS) == [("queued",)]
    del shop.environment["CELERY_BROKER_URL"]
    shop.serve()
    eventually(lambda: shop.rows(STATUS) == [("ready",)])
