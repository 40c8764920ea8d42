"""What a viewer does with the app: asks, takes or chooses by herself, watches, and says what she thinks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from simulator.choice import chosen_alone, taken
from simulator.movies import Rows
from simulator.traffic.town import Resident
from simulator.viewers import Viewer, liking, rate

K = 10
OK, CREATED = 200, 201
ALONE = 0.5  # chance that who takes nothing from the list chooses by herself
MARKED = 0.7  # chance that what was watched is rated
FILM_S = 6_000.0  # simulated seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """`status` is 0 when there was no answer."""

    status: int
    body: Mapping[str, Any]

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Of requests or httpx. What stands before an API answers with pages that are no JSON."""
        try:
            body = answer.json() if answer.status_code else {}
        except ValueError:
            body = {}
        return cls(answer.status_code, body if isinstance(body, dict) else {})


Send = Callable[[str, str, Mapping[str, Any]], Reply]  # method, path, body
Wait = Callable[[float], None]  # simulated seconds


def visit(resident: Resident, moment: int, send: Send, wait: Wait) -> None:
    viewer = resident.home.who(moment)
    reply = send("POST", "/recommendations", question(resident, moment))
    if reply.status != OK:
        return  # she closes the app
    resident.named = True
    rows = resident.town.rows
    shown = [rows[movie["movie_id"]] for movie in reply.body["recommendations"] if movie["movie_id"] in rows]
    closed = np.fromiter(resident.seen, np.int64)
    takes, marks, looks_on = resident.rng.random(3)
    row = taken(liking(viewer, resident.town.movies), shown, closed, takes)
    if row is not None:
        take(resident, viewer, reply.body["recommendation_id"], row, marks < MARKED, send, wait)
    elif looks_on < ALONE:
        choose(resident, viewer, closed, send, wait)


def question(resident: Resident, moment: int) -> dict[str, Any]:
    body: dict[str, Any] = {"external_id": resident.name, "k": K}
    return body if resident.named else body | {"history": resident.told(moment)}


def take(resident: Resident, viewer: Viewer, of: str, row: int, marks: bool, send: Send, wait: Wait) -> None:
    about = {"recommendation_id": of, "movie_id": resident.town.ids[row]}
    send("POST", "/feedback", about | {"event": "clicked"})
    resident.seen.add(row)
    wait(FILM_S)
    said = {"event": "rated", "rating": stars(resident, viewer, row)} if marks else {"event": "watched"}
    send("POST", "/feedback", about | said)


def choose(resident: Resident, viewer: Viewer, closed: Rows, send: Send, wait: Wait) -> None:
    row = chosen_alone(viewer, resident.town.movies, closed, resident.rng)
    if row is None:
        return
    resident.seen.add(row)
    wait(FILM_S)
    rating = {"movie_id": resident.town.ids[row], "rating": stars(resident, viewer, row)}
    send("POST", "/ratings", {"ratings": [{"external_id": resident.name, **rating}]})


def stars(resident: Resident, viewer: Viewer, row: int) -> float:
    return float(rate(viewer, resident.town.movies, np.array([row]), resident.rng)[0])
