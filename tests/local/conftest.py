import os
import select
from collections.abc import Callable

import pytest


@pytest.fixture
def ends() -> Callable[[int, float], bool]:
    """Whether a process that is not a child of ours ends within so many seconds."""

    def ends(pid: int, within_s: float) -> bool:
        descriptor = os.pidfd_open(pid)
        try:
            return bool(select.select([descriptor], [], [], within_s)[0])
        finally:
            os.close(descriptor)

    return ends
