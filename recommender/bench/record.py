"""The file that a run leaves, and goes on from: each unit of work under its name, as soon as it is done."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from recommender.bench.folders import Data
from recommender.errors import BadInput
from recommender.files import Store

Unit = dict[str, Any]
_DIGITS = 6


class Record:
    def __init__(self, file: Path | None, about: dict[str, Any], units: dict[str, Unit]) -> None:
        self.file, self.about, self.units = file, about, units

    @classmethod
    def open(cls, file: Path | None, data: Data) -> Self:
        """What the file holds of the same data; a file of other data is left alone."""
        about = {
            "data": data.name,
            "digest": data.digest,
            "movies": len(data.catalogue),
            "ratings": len(data.ratings),
        }
        if file is None or not file.exists():
            return cls(file, about, {})
        try:
            written = json.loads(file.read_text(encoding="utf-8"))
            digest, units = written["about"]["digest"], written["units"]
        except (ValueError, KeyError, TypeError):
            raise BadInput(
                f"{file} is there and is no record of a benchmark; it was left as it is."
            ) from None
        if digest != data.digest:
            raise BadInput(f"{file} is the record of other data; name another file.")
        return cls(file, about, units)

    def unit(self, name: str, settings: Unit, measure: Callable[[], Unit]) -> Unit:
        """Measured now, unless it was with these settings."""
        found = self.units.get(name)
        if found is None or found["settings"] != _plain(settings):
            self.units[name] = _plain({"settings": settings, **measure()})
            self.write({})
        return self.units[name]

    def write(self, summary: Unit) -> None:
        if self.file is None:
            return
        written = {"about": self.about, "summary": _plain(summary), "units": self.units}
        text = json.dumps(written, allow_nan=False)
        Store.at(self.file.parent).write(self.file.name, text.encode())


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return round(float(value), _DIGITS) if isinstance(value, float) else value
