"""What Bookbag costs, as ratios to the limit or to a peer in the same run.

    python -m bench [scenario …] [--gate] [--rounds 2]

`make bench` runs them all, in three minutes, or four on a busy machine.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import contacts, limiter, lists, measure, refusals, report, streams, turns
from bench.peers import BenchError, Installation
from bench.report import Finding

Scenario = Callable[..., Iterator[Finding]]
SCENARIOS: dict[str, Scenario] = {
    "streams": streams.frames,
    "daphne": streams.on_daphne,
    "held": streams.held,
    "limiter": limiter.limiter,
    "refusals": refusals.refusals,
    "turns": turns.turns,
    "lists": lists.lists,
    "contacts": contacts.contacts,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario")
    parser.add_argument(
        "--gate",
        action="store_true",
        help="fail where a ratio misses its hold by more than a quarter",
    )
    parser.add_argument("--rounds", type=int, default=2, help="of each comparison")
    chosen = parser.parse_args()
    if unknown := set(chosen.scenarios) - set(SCENARIOS):
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if not (measure.PROC / "self" / "stat").exists():
        parser.error("it counts CPU through /proc, which only Linux has")
    findings = _measure(chosen.scenarios or list(SCENARIOS), rounds=chosen.rounds)
    print(report.table(findings))
    report.keep(findings, rounds=chosen.rounds)
    return _judge(findings) if chosen.gate else 0


def _measure(names: list[str], *, rounds: int) -> list[Finding]:
    findings: list[Finding] = []
    with TemporaryDirectory(prefix="bookbag-bench-") as folder:
        shop = Installation(Path(folder))
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            findings += SCENARIOS[name](shop, rounds=rounds)
    return findings


def _judge(findings: list[Finding]) -> int:
    broken = [one for one in findings if one.is_broken]
    for one in broken:
        print(one.sentence(), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as problem:
        sys.exit(f"bench: {problem}")
