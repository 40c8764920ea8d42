"""Numbers of a preview are written as Grafana would."""

import math

import pytest

from dashboards.boards.numbers import written

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.9987, "percentunit", 2, "99.87 %"),
        (0.0125, "s", None, "12.5 ms"),
        (0, "s", None, "0 s"),
        (31 * 3600, "s", 1, "1.3 days"),
        (5 * 2**20, "bytes", None, "5 MiB"),
        (2048, "Bps", None, "2 KiB/s"),
        (21_100, "short", None, "21.1 K"),
        (12, "reqps", 1, "12.0 req/s"),
        (1.5, "suffix: /s", None, "1.5 /s"),
        (1000 * (NOW - 7200), "dateTimeFromNow", None, "2 hours ago"),
        (math.nan, "none", 2, "NaN"),
    ],
)
def test_a_number_is_written_in_its_unit(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert written(value, unit, decimals, NOW) == text
