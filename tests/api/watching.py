"""Looks at something every now and then, while somebody else measures."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

EVERY_S = 0.05


@contextmanager
def watching(look: Callable[[], None]) -> Iterator[None]:
    """Its error is raised when the block ends."""
    over = Event()

    def watch() -> None:
        look()
        while not over.wait(EVERY_S):
            look()

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(watch)
        try:
            yield
        finally:
            over.set()
        done.result()
