"""A number as Grafana writes it in a unit."""

import math

SPANS = ((31_536_000, "years"), (604_800, "weeks"), (86_400, "days"), (3_600, "hours"), (60, "mins"))


def written(value: float, unit: str, decimals: int | None, now: float) -> str:
    if math.isnan(value):
        return "NaN"
    if unit == "dateTimeFromNow":
        return f"{_span(now - value / 1000, 0)} ago"
    if unit == "percentunit":
        return f"{_rounded(value * 100, decimals)} %"
    if unit == "s":
        return _span(value, decimals)
    if unit in ("bytes", "Bps"):
        return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"), decimals) + "/s" * (unit == "Bps")
    if unit == "short":
        return _scaled(value, 1000, ("", "K", "Mil", "Bil"), decimals)
    return _rounded(value, decimals) + {"none": "", "reqps": " req/s"}.get(unit, unit.partition(":")[2])


def _span(seconds: float, decimals: int | None) -> str:
    for size, name in SPANS:
        if abs(seconds) >= size:
            return f"{_rounded(seconds / size, 1 if decimals is None else decimals)} {name}"
    if 0 < abs(seconds) < 1:
        return f"{_rounded(seconds * 1000, decimals)} ms"
    return f"{_rounded(seconds, decimals)} s"


def _scaled(value: float, base: int, names: tuple[str, ...], decimals: int | None) -> str:
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value, power = value / base, power + 1
    return f"{_rounded(value, decimals)} {names[power]}".strip()


def _rounded(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value == int(value):
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
