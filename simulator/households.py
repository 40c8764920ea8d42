"""Who is behind a user: mostly one viewer, sometimes a household that takes turns, now and then a bot."""

from dataclasses import dataclass

import numpy as np

from simulator.bots import Bot, draw_bot
from simulator.drift import Drift, draw_drift
from simulator.movies import Floats, Movies
from simulator.viewers import Viewer, draw_viewer

SIZES, OF_SIZE = (2, 3, 4), (0.6, 0.25, 0.15)  # of those that are no single viewer
PART_OF_DAY = 8 * 3600  # one sits before the screen for a part of a day: night, day, evening
# A stream of chance for each thing; [seed, user] is the first viewer's, [seed, user, 1] that of faults.
_WHO, _MEMBER, _DRIFT, _TURN = 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Household:
    user_id: int
    seed: int
    viewers: tuple[Viewer, ...]
    shares: Floats  # of the turns, per viewer
    drifts: tuple[Drift, ...]
    bot: Bot | None

    def turn(self, moment: int) -> int:
        """Whose it is at this unix second: a number of `viewers`."""
        if len(self.viewers) == 1:
            return 0
        rng = np.random.default_rng([self.seed, self.user_id, _TURN, moment // PART_OF_DAY])
        return int(rng.choice(len(self.viewers), p=self.shares))

    def who(self, moment: int, weeks: float = 0.0) -> Viewer:
        """The viewer whose turn it is, with the taste of so many weeks after the beginning."""
        return self.viewer(self.turn(moment), weeks)

    def viewer(self, number: int, weeks: float) -> Viewer:
        return self.drifts[number].moved(self.viewers[number], weeks)


@dataclass(frozen=True, slots=True)
class Population:
    """The users of a seed, each a pure function of its number. `households`, `bots`: shares of users."""

    movies: Movies
    seed: int
    households: float = 0.0
    bots: float = 0.0

    def user(self, user_id: int) -> Household:
        rng = np.random.default_rng([self.seed, user_id, _WHO])
        is_bot, shared = rng.random() < self.bots, rng.random() < self.households
        size = int(rng.choice(SIZES, p=OF_SIZE)) if shared else 1
        return Household(
            user_id,
            self.seed,
            tuple(self._viewer(user_id, number) for number in range(size)),
            rng.dirichlet(np.full(size, 4.0)),
            tuple(self._drift(user_id, number) for number in range(size)),
            draw_bot(self.movies, rng) if is_bot else None,
        )

    def _viewer(self, user_id: int, number: int) -> Viewer:
        own = [self.seed, user_id, _MEMBER, number] if number else [self.seed, user_id]
        return draw_viewer(self.movies, np.random.default_rng(own))

    def _drift(self, user_id: int, number: int) -> Drift:
        return draw_drift(self.movies, np.random.default_rng([self.seed, user_id, _DRIFT, number]))
