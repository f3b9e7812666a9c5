"""Other people's files are the ones we looked at, and each has a licence."""

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
ROW = re.compile(r"\| (\S+) \| .*\]\((\S+)\) \| `\S+` \| `([0-9a-f]{64})` \|")


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall((VENDOR / "README.md").read_text())


def test_it_works() -> None:
    assert len(rows()) >= 3


def test_files_are_unchanged() -> None:
    for name, _, digest in rows():
        content = (VENDOR / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name


def test_every_file_is_listed() -> None:
    listed = {name for name, _, _ in rows()} | {"README.md"}
    found = {str(p.relative_to(VENDOR)) for p in VENDOR.rglob("*") if p.is_file()}
    assert {name for name in found if not name.startswith("licences/")} == listed


def test_every_licence_is_there() -> None:
    for name, licence, _ in rows():
        assert (VENDOR / licence).stat().st_size > 200, name
