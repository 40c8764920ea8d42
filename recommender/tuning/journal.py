"""What was measured, a line of JSON each: a run that was stopped goes on from it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from recommender.errors import BadInput
from recommender.files import Store

_KIND = "tuning"


class Journal:
    """The first line says of what; measurements of anything else are not taken over."""

    def __init__(self, store: Store | None = None, path: str = "") -> None:
        """Without a store nothing is kept."""
        self._store, self._path = store, path
        self._lines: list[str] = []
        self._found: dict[str, list[float]] = {}

    def open(self, about: Mapping[str, Any]) -> None:
        head = json.dumps({"journal": _KIND, **about}, sort_keys=True)
        self._lines, self._found = [head], {}
        if self._store is None or not self._store.exists(self._path):
            return
        written = self._store.read(self._path).decode(errors="replace").splitlines()
        try:
            if json.loads(written[0])["journal"] != _KIND:
                raise ValueError
            if written[0] == head:
                self._take(written[1:])
        except (ValueError, KeyError, TypeError, IndexError):
            named = self._store.named(self._path)
            raise BadInput(f"{named} is there and is no journal of a tuning; it was left as it is.") from None

    def _take(self, lines: Sequence[str]) -> None:
        for line in lines:
            read = json.loads(line)
            self._found[_key(read["trial"], read["parameters"])] = read["ndcg"]
        self._lines += lines

    def find(self, trial: str, parameters: Mapping[str, Any]) -> list[float] | None:
        return self._found.get(_key(trial, parameters))

    def add(self, trial: str, parameters: Mapping[str, Any], ndcg: list[float]) -> None:
        self._found[_key(trial, parameters)] = ndcg
        self._lines.append(json.dumps({"trial": trial, "parameters": parameters, "ndcg": ndcg}))
        if self._store:
            self._store.write(self._path, "".join(f"{line}\n" for line in self._lines).encode())


def _key(trial: str, parameters: Mapping[str, Any]) -> str:
    return json.dumps([trial, parameters], sort_keys=True)
