"""What was found: a table for people, a line of JSON for whoever compares runs."""

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "runs.jsonl"
SLACK = 1.25  # a gate closes when a hold is missed by more than a quarter
NOISY = 0.2  # cores' worth of foreign load above which a number is marked


@dataclass(frozen=True, slots=True)
class Finding:
    """One ratio. `hold` is what it must not exceed; without one it is only told."""

    scenario: str
    what: str
    against: str
    ratio: float
    hold: float | None = None
    exact: bool = False  # a count, which no noise excuses
    foreign: float = 0.0  # cores' worth of load that was not ours
    unit: str = "×"

    @property
    def is_noisy(self) -> bool:
        return self.foreign > NOISY

    @property
    def is_held(self) -> bool:
        return self.hold is None or self.ratio <= self.hold

    @property
    def is_broken(self) -> bool:
        if self.hold is None:
            return False
        return self.ratio > self.hold * (1 if self.exact else SLACK)

    def sentence(self) -> str:
        return (
            f"{self.scenario}: {self.what} is {_number(self.ratio)}{self.unit}"
            f" {self.against}, and may be {_number(self.hold or 0)}{self.unit}."
        )


def table(findings: Sequence[Finding]) -> str:
    rows = [
        "| | what | against | ratio | hold | | foreign cores |",
        "| --- | --- | --- | ---: | ---: | --- | ---: |",
    ]
    for one in findings:
        hold = "" if one.hold is None else f"≤ {_number(one.hold)}"
        verdict = "" if one.hold is None else "yes" if one.is_held else "**no**"
        noise = f"{one.foreign:.1f}{' (noisy)' if one.is_noisy else ''}"
        if one.exact:
            noise = ""
        rows.append(
            f"| {one.scenario} | {one.what} | {one.against}"
            f" | {_number(one.ratio)} {one.unit} | {hold} | {verdict} | {noise} |"
        )
    return "\n".join(rows)


def keep(findings: Sequence[Finding], *, rounds: int) -> None:
    """Appends the run to the results, which stay on this machine."""
    RESULTS.parent.mkdir(exist_ok=True)
    run = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rounds": rounds,
        "findings": [asdict(one) for one in findings],
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(run) + "\n")


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()
