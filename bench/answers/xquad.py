"""How often a reply holds the answer, on XQuAD: 48 sources, 200 of its 1,190 questions.

    python -m bench.answers.xquad path/to/xquad.en.json

The file is not ours to ship (CC BY-SA 4.0): it lies in google-deepmind/xquad on GitHub.
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from bench.answers import setup  # noqa: F401 - first: it makes Django ready
from bench.answers.corpus import entries, reply_to
from knowledge.index import AgentIndex, Entry

SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Case:
    source: int
    start: int  # of the paragraph that answers
    end: int
    question: str
    answers: tuple[str, ...]


def read(path: Path) -> tuple[list[Entry], list[Case]]:
    sources, cases = [], []
    for number, article in enumerate(json.loads(path.read_text())["data"], start=1):
        text = ""
        for paragraph in article["paragraphs"]:
            start, end = len(text), len(text) + len(paragraph["context"])
            text += paragraph["context"] + "\n\n"
            cases += [
                Case(
                    number,
                    start,
                    end,
                    asked["question"],
                    tuple(answer["text"] for answer in asked["answers"]),
                )
                for asked in paragraph["qas"]
            ]
        sources.append({"title": article["title"].replace("_", " "), "text": text})
    return entries(sources), cases


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.answers.xquad")
    parser.add_argument("path", type=Path)
    found, cases = read(parser.parse_args().path)
    index = AgentIndex(found)
    sample = random.Random(7).sample(cases, SAMPLE)
    for mode, label in (("on", "with the model"), ("off", "words only")):
        settings.BOOKBAG_EMBEDDING = mode
        tally: Counter[tuple[str | None, bool]] = Counter()
        for case in sample:
            reply = reply_to(index, [case.question])
            right = any(answer in reply.text for answer in case.answers)
            tally[reply.confidence, right and reply.confidence != "unknown"] += 1
        share = sum(n for (_, right), n in tally.items() if right) / SAMPLE
        wrong = tally["sure", False] / SAMPLE
        declined = sum(n for (how, _), n in tally.items() if how == "unknown") / SAMPLE
        print(
            f"{label}: the answer is in the reply {share:.1%},"
            f" sure and wrong {wrong:.1%}, declined {declined:.1%}"
        )


if __name__ == "__main__":
    main()
