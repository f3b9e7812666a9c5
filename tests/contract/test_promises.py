"""Each sentence of the API contract has a test that shows it: see PROMISES.md."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SENTENCE = re.compile(r"- (?P<sentence>.+)")
TEST = re.compile(r"  - `(?P<path>[a-z0-9_/]+\.py)::(?P<name>test_[a-z0-9_]+)`")


def promises() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Sections, their sentences, and of each the tests: file and name."""
    sections: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for line in (FOLDER / "PROMISES.md").read_text().splitlines():
        if line.startswith("## "):
            assert line not in sections, f"twice: {line}"
            sentences = sections[line] = {}
        elif found := SENTENCE.fullmatch(line):
            assert found["sentence"] not in sentences, f"twice: {line}"
            tests = sentences[found["sentence"]] = []
        elif line.startswith(" "):
            found = TEST.fullmatch(line)
            assert found, f"no test's path and name: {line}"
            tests.append((found["path"], found["name"]))
    return sections


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((FOLDER.parent / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, functions))


@pytest.mark.parametrize("section", promises())
def test_each_sentence_has_a_test_that_exists(section: str) -> None:
    sentences = promises()[section]
    assert sentences
    for sentence, tests in sentences.items():
        assert tests, f"nothing shows it: {sentence}"
        for path, name in tests:
            assert name in functions_of(path), f"{sentence}: {path} has no {name}"
