"""Progress bars on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from tqdm import tqdm

# Stage, done, total: bytes of a file, users, or whatever the stage counts.
Progress = Callable[[str, int, int], None]
LOG_S = 5.0


@contextmanager
def bars() -> Iterator[Progress]:
    """One bar for each stage; a new stage closes the last one's."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    shown: dict[str, tqdm[Any]] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in shown:
            _close(shown)
            shown[stage] = tqdm(desc=stage, total=total, unit_scale=True, mininterval=0.2, miniters=1)
        shown[stage].update(done - shown[stage].n)

    try:
        yield tell
    finally:
        _close(shown)


def _close(shown: dict[str, "tqdm[Any]"]) -> None:
    for bar in shown.values():
        bar.close()
    shown.clear()


def _lines() -> Progress:
    """A log does not redraw a line: Airflow and Kubernetes show one when it has ended."""
    told = time.monotonic()

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= LOG_S:
            told = time.monotonic()
            click.echo(f"{stage}: {done:,} of {total:,}", err=True)

    return tell
