from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For matrices this small more threads only wait for each other."""
    with threadpool_limits(1):
        yield
