"""Free ports for workers that run tests at the same time."""

import os

from recommender.local import ports


def free_port() -> int:
    """One of this worker's own: else two could find the same one free before either listens at it."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return next(port for port in iter(ports.free_port, None) if port % workers == number)
