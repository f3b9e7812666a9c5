"""Indexes of agents in memory: built once, dropped when there are too many."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from knowledge.index import AgentIndex

Key = tuple[int, int]  # agent, index version


class IndexCache:
    """The indexes that were asked last, up to a size in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self._held: OrderedDict[Key, tuple[AgentIndex, int]] = OrderedDict()
        self._builders: dict[Key, Lock] = {}
        self._lock = Lock()

    def get(self, key: Key, build: Callable[[], AgentIndex]) -> AgentIndex:
        """The index of that key; one caller builds it, the others wait for him."""
        if found := self._find(key):
            return found
        with self._lock:
            builder = self._builders.setdefault(key, Lock())
        with builder:
            if found := self._find(key):
                return found
            try:
                index = build()
                self._keep(key, index)
            finally:
                with self._lock:
                    self._builders.pop(key, None)
        return index

    def clear(self) -> None:
        with self._lock:
            self._held.clear()
            self.nbytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def _find(self, key: Key) -> AgentIndex | None:
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def _keep(self, key: Key, index: AgentIndex) -> None:
        size = index.nbytes
        with self._lock:
            # Former versions of the same agent are of no more use.
            for other in [held for held in self._held if held[0] == key[0]]:
                if other[1] <= key[1]:
                    self._drop(other)
            self._held[key] = (index, size)
            self.nbytes += size
            while self.nbytes > self.limit and len(self._held) > 1:
                self._drop(next(iter(self._held)))

    def _drop(self, key: Key) -> None:
        _, size = self._held.pop(key)
        self.nbytes -= size
