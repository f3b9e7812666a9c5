"""What processes have used, as the kernel counts it, and what others used meanwhile.

CPU time and not the clock: on a machine that does other things as well a request takes
as long as they let it, and costs nearly the same.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Sample:
    """One run of load against one server."""

    units: int = 1  # requests, or frames
    cpu: float = 0.0  # seconds, of the server and its children
    seconds: float = 0.0
    foreign: float = 0.0  # cores' worth that neither we nor what we started used

    @property
    def cost(self) -> float:
        """Seconds of CPU a unit."""
        return self.cpu / self.units


@contextmanager
def measuring(pid: int) -> Iterator[Sample]:
    """The sample is filled in when the block ends."""
    sample = Sample()
    began, busy, ours, cpu = _now(pid)
    yield sample
    ended, busy_after, ours_after, cpu_after = _now(pid)
    sample.seconds = ended - began
    sample.cpu = cpu_after - cpu
    foreign = (busy_after - busy) - (ours_after - ours)
    sample.foreign = max(0.0, foreign / sample.seconds)


def rss(pid: int) -> int:
    """Bytes of memory that the process has."""
    return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE


def threads(pid: int) -> int:
    return len(os.listdir(PROC / str(pid) / "task"))


def cpu_of_tree(pid: int) -> float:
    """Seconds of CPU that the process and all its children have used so far."""
    ticks, tree = 0, [pid]
    while tree:
        one = PROC / str(tree.pop())
        try:
            # After the name, which may hold anything, in brackets.
            fields = (one / "stat").read_text().rpartition(")")[2].split()
            for thread in (one / "task").iterdir():
                tree += map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended; its parent's times include it
        ticks += sum(map(int, fields[11:15]))  # own, and that of children now gone
    return ticks / TICK


def _now(pid: int) -> tuple[float, float, float, float]:
    return time.monotonic(), _busy(), cpu_of_tree(os.getpid()), cpu_of_tree(pid)


def _busy() -> float:
    """Seconds of CPU that the whole machine has used, stolen time included."""
    times = (PROC / "stat").read_text().partition("\n")[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, times)
    return (user + nice + system + irq + softirq + steal) / TICK
