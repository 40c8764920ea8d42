"""The card of a version as a person reads it."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from recommender.learning.model_page import PAGE, PLOT, page, write_page

MOMENT = datetime(2026, 2, 1, 7, 46, tzinfo=UTC)
GROUPS = ("all", "light", "heavy", "head", "tail")


def earned(mean: float, *groups: str) -> dict[str, Any]:
    found = {"users": 212, "mean": mean, "low": mean - 0.02, "high": mean + 0.02}
    return {group: {"ndcg": found, "recall": found} for group in groups}


def measured(mean: float, version: str | None = None) -> dict[str, Any]:
    return {
        "version": version,
        "coverage": mean / 3,
        "strong": earned(mean, *GROUPS),
        "newest": earned(mean / 2, *GROUPS),
    }


CARD: dict[str, Any] = {
    "version": "ca11ed",
    "champion": True,
    "status": "published",
    "day": date(2026, 1, 31),
    "trained_at": MOMENT,
    "code": "0.1.0",
    "data": {"digest": "d1935700", "day": "2026-01-31", "share": 0.05},
    "users": 4321,
    "ratings": 187_505,
    "movies": 2787,
    "rated_movies": 2700,
    "parameters": {"rank": 256, "values": [0.0, 0.2, 0.6, 1.0, 1.2]},
    "metrics": {
        "k": 10,
        "movies": 2787,
        "head": 120,
        "candidate": measured(0.312, "ca11ed"),
        "champion": measured(0.299, "c0ffee"),
        "popularity": measured(0.111),
    },
    "verdict": {"outcome": "passed", "reasons": ["It is better.", "It is not older."], "figures": {}},
    "publications": [
        {"published_at": MOMENT, "kind": "gate", "replaced": "c0ffee", "reason": None},
        {"published_at": MOMENT, "kind": "rollback", "replaced": "bad", "reason": "viewers | complained"},
    ],
}


def rows(text: str, start: str) -> list[str]:
    """Cells of the table's line that starts so, in each table that has one."""
    return [
        " ".join(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if start in line
    ]


def test_the_page_says_what_the_version_learned_from() -> None:
    text = page(CARD)
    assert text.startswith("# Model ca11ed, the champion\n")
    for said in ("187,505 ratings of 4,321 users", "2026-01-31", "5.0% of the users", "d1935700", "0.1.0"):
        assert said in text
    assert "| rank   | 256                     |" in text


def test_a_rank_that_the_catalogue_chose_is_told() -> None:
    chosen = CARD | {"rank": 144, "parameters": {"rank": None}}
    assert "| rank | 144, by the number of movies |" in page(chosen)


def test_quality_stands_beside_popularity_and_the_champion_for_each_group() -> None:
    found = rows(page(CARD), "| heavy (over 50)")
    assert found[0] == (
        "heavy (over 50) 212 0.312 (0.292 to 0.332) 0.299 (0.279 to 0.319) 0.111 (0.091 to 0.131)"
    )
    assert len(found) == 4  # two measures of held-out users, and two of the newest day
    assert all(len(rows(page(CARD), f"| {name} titles")) == 4 for name in ("head", "tail"))
    assert "held-out users: this model 10.4%, champion then 10.0%, popularity 3.7%" in page(CARD)


def test_the_verdict_its_reasons_and_the_publications_are_told() -> None:
    text = page(CARD)
    assert "**Passed.**" in text and "* It is better.\n* It is not older." in text
    assert "* 2026-02-01 07:46 UTC, published, in place of c0ffee\n" in text
    assert "rolled back to, in place of bad: viewers | complained" in text


def test_a_version_that_waits_or_cannot_be_measured_has_a_page_too() -> None:
    waiting = CARD | {"metrics": {}, "verdict": None, "publications": [], "champion": False}
    assert "It was not judged yet." in page(waiting) and "It was never the champion." in page(waiting)
    refused = {"outcome": "refused", "reasons": ["It cannot be used: left.npy is damaged."], "figures": {}}
    assert "**Refused.**" in page(waiting | {"verdict": refused})


def test_a_first_version_has_no_column_for_a_champion() -> None:
    alone = {key: value for key, value in CARD["metrics"].items() if key != "champion"}
    text = page(CARD | {"metrics": alone})
    assert "champion then" not in text and "popularity" in text


def test_users_who_are_left_out_are_said() -> None:
    left_out = {**CARD, "data": {**CARD["data"], "left_out": {"3": 1200}}}
    assert "1,200 users of client 3: more than are learned from" in page(left_out)
    assert "more than are learned from" not in page(CARD)


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    text = page(CARD | {"code": "1|2"})
    assert r"1\|2" in text


def test_the_folder_holds_a_page_that_shows_its_plot_and_says_how_to_read_it(tmp_path: Path) -> None:
    write_page(CARD, tmp_path / "card")
    text = (tmp_path / "card" / PAGE).read_text()
    assert f"]({PLOT})" in text and "## How to read it" in text
    root = ElementTree.parse(tmp_path / "card" / PLOT).getroot()  # noqa: S314 - ours
    assert root.tag.endswith("svg")
    drawn = {group.get("id", "") for group in root.iter("{http://www.w3.org/2000/svg}g")}
    assert {"axes_1", "axes_2", "legend_1"} <= drawn


def test_the_same_card_makes_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_page(CARD, tmp_path / folder)
    for name in (PAGE, PLOT):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    "metrics", [{}, CARD["metrics"] | {"candidate": measured(0.3) | {"strong": {}, "newest": {}}}]
)
def test_without_cases_there_is_no_plot(tmp_path: Path, metrics: dict[str, Any]) -> None:
    write_page(CARD | {"metrics": metrics}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PAGE]
    assert PLOT not in (tmp_path / PAGE).read_text()
