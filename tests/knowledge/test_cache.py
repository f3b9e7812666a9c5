import pytest

from bench.answers.corpus import entries
from knowledge.cache import IndexCache
from knowledge.index import AgentIndex


def an_index(words: str = "We ship daily.") -> AgentIndex:
    return AgentIndex(entries([{"title": "Shipping", "text": words}]))


def test_it_works() -> None:
    cache = IndexCache(limit=10**9)
    built = [cache.get((1, 1), an_index) for _ in range(2)]

    assert built[0] is built[1]
    assert cache.nbytes == built[0].nbytes


def test_a_new_version_takes_the_place_of_the_former() -> None:
    cache = IndexCache(limit=10**9)
    cache.get((1, 1), an_index)
    newer = cache.get((1, 2), an_index)

    assert len(cache) == 1
    assert cache.nbytes == newer.nbytes


def test_what_was_asked_longest_ago_goes_first() -> None:
    size = an_index().nbytes
    cache = IndexCache(limit=2 * size)
    first = cache.get((1, 1), an_index)
    cache.get((2, 1), an_index)
    cache.get((1, 1), an_index)
    cache.get((3, 1), an_index)

    assert len(cache) == 2
    assert cache.nbytes <= cache.limit
    assert cache.get((1, 1), an_index) is first


def test_one_that_is_too_large_is_kept_alone() -> None:
    cache = IndexCache(limit=1)
    cache.get((1, 1), an_index)
    cache.get((2, 1), an_index)

    assert len(cache) == 1


def test_a_failed_build_can_be_tried_again() -> None:
    cache = IndexCache(limit=10**9)

    def fail() -> AgentIndex:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        cache.get((1, 1), fail)
    assert cache.get((1, 1), an_index).entries
