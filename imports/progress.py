"""How an import goes, for a person at a terminal and for a log."""

import shutil
from typing import TextIO

from tqdm import tqdm

from imports.transfer import Watcher


def watcher_for(stream: TextIO) -> Watcher:
    return Bar(stream) if stream.isatty() else Lines(stream)


class Bar(Watcher):
    """A bar for each list."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm | None = None

    def begin(self, what: str, rows: int | None) -> None:
        # Some terminals say that they are of no size, and would show nothing.
        columns, lines = shutil.get_terminal_size()
        self._bar = tqdm(
            desc=printable(what),
            total=rows,
            unit="",
            file=self._stream,
            ncols=columns,
            nrows=lines,
        )

    def expect(self, rows: int) -> None:
        if self._bar is not None and self._bar.total != rows:
            self._bar.total = rows
            self._bar.refresh()

    def advance(self, rows: int) -> None:
        if self._bar is not None:
            self._bar.update(rows)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, sentence: str) -> None:
        tqdm.write(printable(sentence), file=self._stream)


class Lines(Watcher):
    """A line for each list, when it is in."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._what: str | None = None
        self._rows = 0

    def begin(self, what: str, rows: int | None) -> None:
        self._what, self._rows = what, 0

    def advance(self, rows: int) -> None:
        self._rows += rows

    def end(self) -> None:
        if self._what is not None:
            self.say(f"{self._what}: {self._rows:,}")
            self._what = None

    def say(self, sentence: str) -> None:
        self._stream.write(printable(sentence) + "\n")
        self._stream.flush()


def printable(text: str) -> str:
    """Names are the source's words: none of them moves the cursor."""
    return "".join(c if c.isprintable() else "�" for c in text)
