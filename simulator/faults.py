"""Rows as the real world spoils them: each breaks one rule of a day's ratings, and is counted under it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from simulator.history import lines
from simulator.viewers import Ratings

Fields = list[bytes]  # user, movie, stars, time


def cut_off(row: Fields) -> Fields:
    return row[:3]


def of_another_encoding(row: Fields) -> Fields:
    return [b"Andr\xe9" + row[0], *row[1:]]


def without_a_user(row: Fields) -> Fields:
    return [b"", *row[1:]]


def of_no_movie(row: Fields) -> Fields:
    return [row[0], b"none-" + row[1], *row[2:]]


def without_stars(row: Fields) -> Fields:
    return [*row[:2], b"n/a", row[3]]


def out_of_a_hundred(row: Fields) -> Fields:
    return [*row[:2], b"%.1f" % (20 * float(row[2])), row[3]]


def with_a_date(row: Fields) -> Fields:
    return [*row[:3], str(np.datetime64(int(row[3]), "s")).encode()]


def in_milliseconds(row: Fields) -> Fields:
    return [*row[:3], row[3] + b"000"]


KINDS: Mapping[str, Callable[[Fields], Fields]] = {
    "wrong_column_count": cut_off,
    "bad_encoding": of_another_encoding,
    "bad_user": without_a_user,
    "unknown_movie": of_no_movie,
    "bad_rating": without_stars,
    "rating_off_scale": out_of_a_hundred,
    "bad_timestamp": with_a_date,
    "future_timestamp": in_milliseconds,
}


class Faults:
    """Spoils about `share` of the rows, each kind alike. A stream of chance for each viewer."""

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._seed = share, seed
        self.planted: Counter[str] = Counter()

    def lines(self, user_id: int, ratings: Ratings) -> Iterator[bytes]:
        rng = np.random.default_rng([self._seed, user_id, 1])
        faulty = rng.random(len(ratings)) < self._share
        kinds = rng.choice(list(KINDS), size=len(ratings))
        for line, spoil, kind in zip(lines(user_id, ratings), faulty, kinds, strict=True):
            yield self._spoiled(line, str(kind)) if spoil else line

    def _spoiled(self, line: bytes, kind: str) -> bytes:
        self.planted[kind] += 1
        return b",".join(KINDS[kind](line.rstrip(b"\n").split(b","))) + b"\n"
