"""Worlds side by side, from records that are made up."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

from simulator.cli import main
from simulator.weeks.compare import MEASURES, WORLDS, Comparison, Paired
from simulator.weeks.plots import Line, ticked

ABOUT = {"weeks": 2, "viewers": 50, "joining": 1.0, "named": 9, "new_titles": 0.1, "every": 1, "titles": 300}
SEEDS = (1, 2, 3)
AHEAD = {"daily": 0.0, "once": 0.2, "never": 0.4}  # regret above that of the world that learns


def figures(regret: float) -> dict[str, Any]:
    return dict.fromkeys(MEASURES, 0.5) | {"lists": 10, "regret": regret, "ndcg": 1 - regret / 2}


def record(learns: str, seed: int) -> dict[str, Any]:
    regret = 0.5 + AHEAD[learns] + 0.01 * seed * (learns == "once")
    return {
        "about": ABOUT | {"learns": learns, "seed": seed, "opening": "2026-01-05"},
        "whole": figures(regret),
        "weeks": [{"week": week} | figures(regret) for week in range(2)],
        "days": [{"day": day} | figures(regret + day / 100) for day in range(14)],
        "nights": [{"day": day, "ratings": 9, "learned": day < 2} for day in range(-1, 14)],
        "versions": [{"version": f"{seed}<b>{learns}"} | figures(regret)],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for learns in WORLDS:
        for seed in SEEDS:
            (tmp_path / f"{learns}_{seed}.json").write_text(json.dumps(record(learns, seed)))
    return tmp_path


def report(*words: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, words)])


def test_worlds_are_compared_seed_by_seed(folder: Path) -> None:
    done = report(folder, "--json", folder.parent / "told.json")
    assert done.exit_code == 0, done.output
    told = json.loads((folder.parent / "told.json").read_text())
    assert told["worlds"]["never"]["regret"] == 0.9
    assert told["worlds"]["daily"]["models"] == 3
    (once, never, *_) = told["paired"]
    assert (once["other"], once["ahead"]) == ("once", pytest.approx([0.21, 0.22, 0.23]))
    assert (never["mean"], never["beyond_noise"]) == (pytest.approx(0.4), True)
    assert "regret: learns daily is ahead of learned once by +0.220" in done.output
    assert "in 3 of 3 seeds: outside seed noise" in done.output


def test_the_interval_is_students() -> None:
    """Of 1, 2, 3 it is 2 ± 4.303 / sqrt(3)."""
    pair = Paired.of("daily", "once", "regret", [1.0, 2.0, 3.0])
    assert pair.low == pytest.approx(2 - 2.484, abs=1e-3)
    assert pair.high == pytest.approx(2 + 2.484, abs=1e-3)
    assert not pair.beyond_noise


def test_one_seed_is_never_outside_noise() -> None:
    pair = Paired.of("daily", "once", "regret", [1.0])
    assert not pair.beyond_noise
    assert "one seed tells nothing" in str(pair)


def test_records_that_cannot_be_compared_are_refused(folder: Path) -> None:
    other = record("daily", 9)
    other["about"]["viewers"] = 51
    (folder / "other.json").write_text(json.dumps(other))
    assert "of different weeks, viewers or titles" in report(folder).output
    (folder / "other.json").write_text(json.dumps(record("daily", 1)))
    assert "of the same world and seed" in report(folder).output
    (folder / "other.json").write_text("[1, 2]")
    assert "not records of" in report(folder).output


def test_the_page_needs_nothing_else_and_trusts_no_name(folder: Path) -> None:
    page, again = folder.parent / "page.html", folder.parent / "again.html"
    assert report(folder, "--page", page).exit_code == report(folder, "--page", again).exit_code == 0
    text = page.read_text()
    assert text == again.read_text()
    assert "<script" not in text and "src=" not in text and "href=" not in text
    assert "1&lt;b&gt;daily" in text and "<b>" not in text


def test_the_picture_is_drawn_within_its_frame(folder: Path) -> None:
    picture = folder.parent / "picture.svg"
    assert report(folder, "--picture", picture).exit_code == 0
    space = "{http://www.w3.org/2000/svg}"
    panels = ElementTree.parse(picture).getroot().findall(f"{space}svg")  # noqa: S314 - our own
    assert len(panels) == 4
    for panel in panels[:3]:
        lines = panel.findall(f"{space}polyline")
        assert len(lines) == len(WORLDS)
        points = [tuple(map(float, p.split(","))) for line in lines for p in str(line.get("points")).split()]
        assert len(points) == 14 * len(WORLDS)
        assert all(0 <= x <= 520 and 0 <= y <= 300 for x, y in points)
    assert len(panels[3].findall(f"{space}circle")) == 2 * len(SEEDS)


def test_a_record_alone_is_shown_without_a_comparison(folder: Path) -> None:
    done = report(folder / "daily_1.json", "--page", folder.parent / "alone.html")
    assert done.exit_code == 0, done.output
    assert "ahead" not in done.output


def test_a_band_is_the_standard_error_over_seeds() -> None:
    line = Line.of("x", np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert (line.middle.tolist(), line.low.tolist(), line.high.tolist()) == ([2, 5], [1, 5], [3, 5])


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.93), (-3, 3), (5, 5), (0.0001, 0.0002), (7, 6000)])
def test_ticks_are_few_and_hold_everything(low: float, high: float) -> None:
    ticks = ticked(low, high)
    assert ticks[0] <= low and ticks[-1] >= high
    assert len(ticks) <= 8


def test_comparison_keeps_the_order_of_the_worlds(folder: Path) -> None:
    runs = [record(learns, 1) for learns in ("never", "daily")]
    assert Comparison(runs).worlds == ["daily", "never"]
