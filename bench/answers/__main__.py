"""How well agents answer from small bodies of policies, with the model and without.

    python -m bench.answers [--verbose] [name …]

Each JSON file beside this one holds sources and questions with what an answer must
show. No database, no network: chunking, search and the embedded engine as they are.
"""

import argparse
import json
import os
import time
from collections import Counter, defaultdict
from pathlib import Path

import django
import numpy as np
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookbag.settings")
django.setup()

from agents.engine import embedded  # noqa: E402 - the models need django.setup()
from agents.engine.base import Request, Turn  # noqa: E402
from bench.answers.corpus import entries  # noqa: E402
from knowledge.index import AgentIndex  # noqa: E402
from knowledge.search import ask  # noqa: E402

HERE = Path(__file__).parent
KINDS = ("easy", "paraphrase", "follow-up", "unanswerable", "small talk")
FALLBACK = "I don't know that one, sorry."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.answers")
    parser.add_argument("names", nargs="*", help="files without .json; all by default")
    parser.add_argument("--verbose", action="store_true", help="show what failed")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in HERE.glob("*.json"))
    print(
        f"{'':<28}" + "".join(f"{kind:>14}" for kind in (*KINDS, "sure & wrong", "ms"))
    )
    for mode in ("on", "off"):
        settings.BOOKBAG_EMBEDDING = mode
        label = "with the model" if mode == "on" else "words only"
        for name in names:
            _report(name, label, verbose=options.verbose)


def _report(name: str, label: str, *, verbose: bool) -> None:
    body = json.loads((HERE / f"{name}.json").read_text())
    index = AgentIndex(entries(body["sources"]))
    passed: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    wrong: list[str] = []
    failed: dict[str, list[str]] = defaultdict(list)
    began = time.perf_counter()
    for case in body["cases"]:
        kind = case["kind"]
        text, confidence = _answer(index, case["turns"])
        shown = confidence in ("sure", "hedged")
        right = any(words in text for words in case.get("expect", ()))
        if kind == "small talk":
            ok = confidence is None
        elif kind == "unanswerable":
            ok = not shown
        else:
            ok = shown and right
        asked[kind] += 1
        passed[kind] += ok
        line = f"{' / '.join(case['turns'])} -> [{confidence}] {text}"
        if not ok:
            failed[kind].append(line)
        if confidence == "sure" and not right:
            wrong.append(line)
    spent = (time.perf_counter() - began) / len(body["cases"]) * 1000
    cells = [f"{passed[kind]}/{asked[kind]}" if asked[kind] else "-" for kind in KINDS]
    cells += [str(len(wrong)), f"{spent:.0f}"]
    print(f"{name + ', ' + label:<28}" + "".join(f"{cell:>14}" for cell in cells))
    if verbose:
        for kind, lines in failed.items():
            print(*(f"    {kind}: {line}" for line in lines), sep="\n")
        print(*(f"    SURE AND WRONG: {line}" for line in wrong), sep="\n")


def _answer(index: AgentIndex, turns: list[str]) -> tuple[str, str | None]:
    found = ask(index, turns)
    reply = embedded.compose(
        Request(
            turns=[Turn("user", turn) for turn in turns],
            passages=found.passages,
            confidence=found.confidence,
            instructions="",
            fallback_message=FALLBACK,
            deadline=np.inf,
        )
    )
    return reply.text, reply.confidence


if __name__ == "__main__":
    main()
