"""Fits the weights of knowledge/confidence.py, and prints them.

    python -m bench.answers.fit path/to/xquad.en.json

A logistic regression on what the best sentence showed and whether it answered. Of
XQuAD each question is asked three times: with all sources, without the one that
answers, and without the one paragraph that answers. Our own bodies of policies are
asked as they are and weigh three times as much as all of XQuAD, because people ask an
agent more shortly than XQuAD does. `invoicing.json` is left out, to test on.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.answers import setup  # noqa: F401 - first: it makes Django ready
from bench.answers.corpus import entries
from bench.answers.xquad import read
from knowledge.index import AgentIndex, Signs
from knowledge.questions import readings

BODIES = ("shop", "clinic", "hotel")
NAMES = [field.name for field in fields(Signs)]
OWN_WEIGHT = 3.0
RIDGE = 2.0  # keeps the weights of signs that say the same small

Row = tuple[tuple[float, ...], bool]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.answers.fit")
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    for semantic in (True, False):
        foreign = list(_from_xquad(path, semantic=semantic))
        own = list(_from_bodies(semantic=semantic))
        weights = _fit(foreign, own, semantic=semantic)
        print("with the model" if semantic else "words only")
        for name, weight in zip([*NAMES, "bias"], weights, strict=True):
            print(f"    {name:<18}{weight:6.2f}")


def _from_bodies(*, semantic: bool) -> Iterator[Row]:
    for name in BODIES:
        body = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
        index = AgentIndex(entries(body["sources"]))
        for case in body["cases"]:
            if case["kind"] != "small talk":
                wanted = case.get("expect", ())
                yield from _rows(index, case["turns"], wanted, semantic, quoted=3)


def _from_xquad(path: Path, *, semantic: bool) -> Iterator[Row]:
    found, cases = read(path)
    whole = AgentIndex(found)
    for case in cases:
        yield from _rows(whole, [case.question], case.answers, semantic)
    for source in sorted({case.source for case in cases}):
        mine = [case for case in cases if case.source == source]
        without = AgentIndex([e for e in found if e.source_id != source])
        for case in mine:
            yield from _rows(without, [case.question], case.answers, semantic)
        for start, end in sorted({(case.start, case.end) for case in mine}):
            without = AgentIndex(
                [
                    e
                    for e in found
                    if e.source_id != source or e.start >= end or e.end <= start
                ]
            )
            for case in mine:
                if case.start == start:
                    yield from _rows(without, [case.question], case.answers, semantic)


def _rows(
    index: AgentIndex,
    turns: list[str],
    answers: tuple[str, ...],
    semantic: bool,
    quoted: int = 1,
) -> Iterator[Row]:
    for question in readings(turns):
        ranking = index.rank(question, semantic=semantic)
        best = sorted(
            (one for passage in ranking.passages for one in passage.sentences),
            key=lambda one: -one.score,
        )
        shown = [one for one in best[:quoted] if one.score >= 0.8 * best[0].score]
        right = any(answer in one.text for answer in answers for one in shown)
        yield astuple(ranking.signs), right


def _fit(foreign: list[Row], own: list[Row], *, semantic: bool) -> NDArray[np.float64]:
    signs = np.array([row for row, _ in foreign + own])
    right = np.array([float(ok) for _, ok in foreign + own])
    each = np.r_[
        np.full(len(foreign), len(own) / len(foreign)), np.full(len(own), OWN_WEIGHT)
    ]
    meaning = [semantic or not name.endswith("cosine") for name in NAMES]
    ridge = np.r_[np.where(meaning, RIDGE, 1e7), 0.0]
    table = np.c_[signs, np.ones(len(signs))]
    weights = np.zeros(table.shape[1])
    for _ in range(50):  # Newton's method settles in ten
        chance = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (each * (chance - right)) + ridge * weights
        bend = (table * (each * chance * (1 - chance))[:, None]).T @ table
        weights -= np.linalg.solve(bend + np.diag(ridge), slope)
    return weights


if __name__ == "__main__":
    main()
