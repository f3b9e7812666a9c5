"""How well agents answer from small bodies of policies, with the model and without.

    python -m bench.answers [--verbose] [name …]

Each JSON file beside this one holds sources and questions with what an answer must
show. No database, no network: chunking, search and the embedded engine as they are.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from django.conf import settings

from bench.answers import setup  # noqa: F401 - first: it makes Django ready
from bench.answers.corpus import entries, reply_to
from knowledge.index import AgentIndex

HERE = Path(__file__).parent
KINDS = ("easy", "paraphrase", "follow-up", "unanswerable", "small talk")


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
        reply = reply_to(index, case["turns"])
        text, confidence = reply.text, reply.confidence
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


if __name__ == "__main__":
    main()
