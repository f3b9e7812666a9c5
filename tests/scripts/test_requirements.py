"""The locks agree with what was asked for, and name no place of any machine."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent.parent
PAIRS = ["requirements", "requirements-dev"]


def asked_for(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text().splitlines()
    stripped = (line.split("#")[0].strip() for line in lines)
    return [Requirement(line) for line in stripped if line and line[0] != "-"]


def locked(name: str) -> dict[str, str]:
    """Each package's version; the locks are for every platform, so markers are cut."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9-]*)==([^ \\]+)", text, re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("pair", PAIRS)
def test_it_works(pair: str) -> None:
    pins = locked(f"{pair}.lock")
    for wanted in asked_for(f"{pair}.txt"):
        assert wanted.specifier.contains(pins[normal(wanted.name)]), wanted


@pytest.mark.parametrize("pair", PAIRS)
def test_every_pin_has_a_hash(pair: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / f"{pair}.lock").read_text(), flags=re.M)
    assert len(blocks) > 1
    for block in blocks[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), block


@pytest.mark.parametrize("pair", PAIRS)
def test_a_lock_names_no_address_and_no_folder(pair: str) -> None:
    text = (ROOT / f"{pair}.lock").read_text()

    assert "://" not in text
    assert not re.search(r"(^|\s)[~.]?/", text)
    assert not re.search(r"^\s*-(?!-hash=sha256:)", text, re.MULTILINE)


def test_development_runs_on_production_versions() -> None:
    assert (
        locked("requirements.lock").items() <= locked("requirements-dev.lock").items()
    )


def test_no_package_takes_the_name_of_an_app() -> None:
    # It would install a package `agents` beside ours.
    assert "openai-agents" not in locked("requirements-dev.lock")
