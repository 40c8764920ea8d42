"""What `/metrics` says."""

import math


def value_of(name: str, metrics: str) -> float:
    """Of a metric with its labels, if it has any; not a number when it is not there."""
    lines = metrics.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), math.nan)
