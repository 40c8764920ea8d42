"""What a person reads while the platform starts: each step, its progress and its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

INDENT = "      "


class Report:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._open_line = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._write(f"{title} ...")
        self._open_line = True
        began = time.monotonic()
        yield
        took = f"{time.monotonic() - began:.1f} s"
        self._write(f" {took}\n" if self._open_line else f"{INDENT}{took}\n")
        self._open_line = False

    def note(self, text: str) -> None:
        """A word on the step's own line."""
        self._write(f" {text}," if self._open_line else f"{INDENT}{text}\n")

    def line(self, text: str) -> None:
        """Progress within a step."""
        self._end_line()
        self._write(f"{INDENT}{text}\n")

    def text(self, text: str) -> None:
        self._end_line()
        self._write(f"{text}\n")

    def _end_line(self) -> None:
        if self._open_line:
            self._write("\n")
        self._open_line = False

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
