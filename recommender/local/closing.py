"""The closing text: a recommendation with its reasons, where everything is, a curl for each main route."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from recommender.local.demo import HISTORY, USERNAME, VIEWER

Record = Mapping[str, Any]
LEAST = 0.005  # a share that is not zero when it is shown as a percentage


def closing_text(address: str, places: Mapping[str, str], password_file: Path, answer: Record) -> str:
    parts = [recommended(answer), _table(places), *curls(address, password_file, answer)]
    return "\n\n".join([*parts, "Stop with: ./setup.sh down"])


def recommended(answer: Record) -> str:
    heading = f"For a viewer who liked {', '.join(HISTORY[:-1])} and {HISTORY[-1]}:"
    return "\n".join([heading, *(_pick(pick) for pick in answer["recommendations"])])


def _pick(pick: Record) -> str:
    because = ", ".join(f"{why['title']} ({_share(pick, why['share'])})" for why in pick["because"])
    reasons = [f"because you liked {because}"] if because else []
    if pick["prior"] > 0:
        reasons.append(f"popular ({_share(pick, pick['prior'])})")
    if abs(pick["because_rest"]) > LEAST * pick["score"]:
        reasons.append(f"the rest of the history ({_share(pick, pick['because_rest'])})")
    return f"  {pick['score']:.3f}  {pick['title']} ({pick['year']})\n         {'; '.join(reasons)}"


def _share(pick: Record, part: float) -> str:
    return f"{part / pick['score']:.0%}"


def _table(places: Mapping[str, str]) -> str:
    return "\n".join(f"{name:<10}{place}" for name, place in places.items())


def curls(address: str, password_file: Path, answer: Record) -> Iterable[str]:
    yield (
        "Sign in; the token is good for an hour:\n"
        f"TOKEN=$(curl -s {address}/token -d username={USERNAME} "
        f"--data-urlencode {quote(f'password@{password_file}')} "
        """| sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')"""
    )
    first = answer["recommendations"][0]["movie_id"]
    watched = [{"title": "Alien (1979)", "rating": 4.5}, {"title": "Blade Runner (1982)"}]
    rating = {"external_id": "anna", "title": "The Godfather (1972)", "rating": 5}
    event = {"recommendation_id": answer["recommendation_id"], "movie_id": first, "event": "watched"}
    yield _curl(
        "Recommendations for a new history:", address, "/recommendations", {"history": watched, "k": 5}
    )
    yield _curl("The same viewer comes back:", address, "/recommendations", {"external_id": VIEWER, "k": 5})
    yield _curl("Similar movies:", address, f"/movies/{first}/similar?k=5")
    yield _curl("Search:", address, "/movies?query=matrix")
    yield _curl("Tell ratings:", address, "/ratings", {"ratings": [rating]})
    yield _curl("Tell what became of a recommendation:", address, "/feedback", event)


def _curl(title: str, address: str, path: str, body: Record | None = None) -> str:
    sent = f" -H 'Content-Type: application/json' -d {quote(json.dumps(body))}" if body else ""
    return f"""{title}\ncurl -sw '\\n' '{address}{path}' -H "Authorization: Bearer $TOKEN\"""" + sent
