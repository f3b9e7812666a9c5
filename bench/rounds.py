"""A, B, A, B, and the best of each: what disturbs a run only ever makes it dearer."""

import sys
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bench.measure import Sample
from bench.peers import TooBusy
from bench.report import NOISY

Name = TypeVar("Name", bound=Hashable)
MOST_REPEATS = 1  # of a whole comparison, where others kept the machine busy
MOST_ATTEMPTS = 3  # at a run for which the machine was too busy


@dataclass(frozen=True, slots=True)
class Best:
    """The cheapest run of one side."""

    cost: float  # seconds of CPU a unit
    foreign: float


def compare(
    runs: Mapping[Name, Callable[[], Sample]], *, rounds: int
) -> dict[Name, Best]:
    """The best of each side, by name. A round in which the machine was busy with other
    things is made once more, but not for ever."""
    samples: dict[Name, list[Sample]] = {name: [] for name in runs}
    repeats = 0
    while rounds > 0:
        made = {name: _patiently(run) for name, run in runs.items()}
        for name, sample in made.items():
            samples[name].append(sample)
        if repeats < MOST_REPEATS and any(s.foreign > NOISY for s in made.values()):
            repeats += 1
        else:
            rounds -= 1
    return {name: _best(several) for name, several in samples.items()}


def _patiently(run: Callable[[], Sample]) -> Sample:
    for _ in range(MOST_ATTEMPTS - 1):
        try:
            return run()
        except TooBusy as problem:
            print(f"{problem} Once more …", file=sys.stderr)
    return run()


def _best(samples: list[Sample]) -> Best:
    best = min(samples, key=lambda sample: sample.cost)
    return Best(best.cost, best.foreign)


def noise(*bests: Best) -> float:
    return max(best.foreign for best in bests)
