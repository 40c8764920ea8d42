"""Rows as the real world spoils them: each breaks one rule of a day's ratings, and is counted under it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from simulator.history import lines
from simulator.movies import Rows
from simulator.viewers import Ratings

_SENDER = 8  # a stream of chance; see households.py

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
    """Spoils about `share` of the rows, each kind alike.

    `senders`: which part of these comes from users whose sender spoils every row in one and the same way.
    """

    def __init__(self, share: float, seed: int, senders: float = 0.0) -> None:
        self._seed, self._broken = seed, share * senders
        self._share = (share - self._broken) / (1 - self._broken) if share else 0.0
        self.planted: Counter[str] = Counter()

    def lines(self, user_id: int, ratings: Ratings) -> Iterator[bytes]:
        return self.spoiled(lines(user_id, ratings), np.full(len(ratings), user_id), user_id, 1)

    def spoiled(self, whole: Iterable[bytes], users: Rows, *stream: int) -> Iterator[bytes]:
        """The same lines, some of them spoiled; `stream` tells them from all others of the seed."""
        if not (self._share or self._broken):
            yield from whole
            return
        rng = np.random.default_rng([self._seed, *stream])
        faulty = (rng.random(len(users)) < self._share).tolist()
        kinds = rng.choice(list(KINDS), size=len(users)).tolist()
        senders = {user: self._sender(user) for user in set(users.tolist())} if self._broken else {}
        for line, user, spoil, kind in zip(whole, users.tolist(), faulty, kinds, strict=True):
            own = senders.get(user)
            yield self._spoiled(line, own or kind) if own or spoil else line

    def _sender(self, user_id: int) -> str | None:
        """What is wrong with all that this user's sender sends."""
        rng = np.random.default_rng([self._seed, user_id, _SENDER])
        return str(rng.choice(list(KINDS))) if rng.random() < self._broken else None

    def _spoiled(self, line: bytes, kind: str) -> bytes:
        self.planted[kind] += 1
        return b",".join(KINDS[kind](line.rstrip(b"\n").split(b","))) + b"\n"
