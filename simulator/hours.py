"""The hours of a day: viewers come most at 20:00 and least at 08:00 (UTC)."""

import math

import numpy as np

PEAK = 20.0
SWING = 0.8  # the busiest hour has nine times the viewers of the quietest
DAY_S = 86_400


def crowd(hour: float) -> float:
    """How many come at this hour, where 1 is the mean of the day."""
    return 1 + SWING * math.cos((hour - PEAK) * math.pi / 12)


def draw_second(rng: np.random.Generator) -> int:
    """Of the day, by how busy each is."""
    while True:
        hour, chance = rng.random(2)
        if chance * (1 + SWING) < crowd(24 * hour):
            return int(hour * DAY_S)


def until_next(second: float, a_day: float, rng: np.random.Generator) -> float:
    """Seconds until somebody comes who does so `a_day` times a day on average, never at a fixed distance.

    Whoever might come at the busiest hour's pace does so with the chance that the hour has of it.
    """
    pace, waited = a_day * (1 + SWING) / DAY_S, 0.0
    while True:
        waited += rng.exponential(1 / pace)
        if rng.random() * (1 + SWING) < crowd((second + waited) / 3_600):
            return waited
