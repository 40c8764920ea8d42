"""Whose rows differ between two tables that stand by user and movie, found without a step for each user."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.learning.snapshots import Snapshot, shard_file

Ints = NDArray[np.int64]


class UserRows(NamedTuple):
    """What statistics are counted from; by user, then by movie."""

    users: Ints
    movie_ids: Ints
    ratings: NDArray[np.float32]

    @classmethod
    def none(cls) -> "UserRows":
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))

    @classmethod
    def of(cls, snapshot: Snapshot, shard: int) -> "UserRows":
        table = snapshot.table(shard_file(shard), ("user_id", "movie_id", "rating"))
        return cls(*(column.to_numpy() for column in table.columns))

    def owners(self) -> tuple[Ints, Ints]:
        """The users, and how many rows each has."""
        starts = np.flatnonzero(np.diff(self.users, prepend=self.users[:1] - 1))
        return self.users[starts], np.diff(starts, append=len(self.users))

    def of_users(self, users: Ints) -> "UserRows":
        """``users`` ascend."""
        return self._masked(np.isin(self.users, users))

    def of_raters(self, movie_ids: Ints) -> "UserRows":
        """All rows of the users who rated one of the movies."""
        return self.of_users(np.unique(self.users[np.isin(self.movie_ids, movie_ids)]))

    def _masked(self, mask: NDArray[np.bool_]) -> "UserRows":
        return UserRows(self.users[mask], self.movie_ids[mask], self.ratings[mask])


class Changes(NamedTuple):
    users: int  # who came, who went, and whose movies or ratings are not the same
    old: UserRows  # all that they had, and have now
    new: UserRows
    everybody: int  # users that there are now
    rows: int

    @property
    def are_few(self) -> bool:
        return len(self.old.users) + len(self.new.users) < self.rows

    @classmethod
    def between(cls, old: UserRows, new: UserRows) -> "Changes":
        users = changed_users(old, new)
        everybody = len(new.owners()[0])
        return cls(len(users), old.of_users(users), new.of_users(users), everybody, len(new.users))


def changed_users(old: UserRows, new: UserRows) -> Ints:
    """Ascending: who came, who went, and whose movies or ratings are not the same."""
    (before, lengths), (after, others) = old.owners(), new.owners()
    both, one, two = np.intersect1d(before, after, assume_unique=True, return_indices=True)
    alike = lengths[one] == others[two]
    in_old, in_new = (_spread(where[alike], sizes) for where, sizes in ((one, lengths), (two, others)))
    # The rows of users who have as many in both stand side by side now.
    differ = old.movie_ids[in_old] != new.movie_ids[in_new]
    differ |= old.ratings[in_old] != new.ratings[in_new]
    unequal = np.unique(old.users[in_old][differ])
    return np.union1d(np.setxor1d(before, after, assume_unique=True), np.union1d(both[~alike], unequal))


def _spread(places: Ints, sizes: Ints) -> NDArray[np.bool_]:
    """Marks the rows of the users at some places."""
    marked = np.zeros(len(sizes), bool)
    marked[places] = True
    return np.repeat(marked, sizes)
