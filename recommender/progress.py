"""Progress bars on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from recommender.importing import Progress

LOG_S = 5.0


@contextmanager
def bars() -> Iterator[Progress]:
    """One bar for each stage; a new stage closes the last one's."""
    shown: dict[str, tqdm[Any]] = {}

    def tell(stage: str, done: int, total: int) -> None:
        if stage not in shown:
            _close(shown)
            every = 0.2 if sys.stderr.isatty() else LOG_S
            shown[stage] = tqdm(desc=stage, total=total, unit_scale=True, mininterval=every, miniters=1)
        shown[stage].update(done - shown[stage].n)

    try:
        yield tell
    finally:
        _close(shown)


def _close(shown: dict[str, "tqdm[Any]"]) -> None:
    for bar in shown.values():
        bar.close()
    shown.clear()
