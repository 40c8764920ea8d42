"""Draws the boards from a real Prometheus, so that they can be looked at without Grafana."""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from dashboards.boards import BOARDS
from dashboards.boards.asking import Prometheus, Series
from dashboards.boards.board import Board
from dashboards.boards.painting import (
    FAINT,
    GRID,
    Frame,
    Json,
    paint_lines,
    paint_stat,
    paint_table,
    paint_text,
)

WIDTH, CELL, GAP = 1400, 30, 8  # pixels
BEHIND, PANEL = "#111217", "#181b1f"
TEXTS_UNTIL = 45  # rows of the grid: the first runbooks show what all are like
LARGEST, PALETTES = 150_000, (64, 32, 16)  # bytes, colours
COVERING, NO_DITHER = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE  # few pixels keep their colour too


@dataclass(frozen=True)
class Picture:
    board: Board
    prometheus: Prometheus

    @cached_property
    def values(self) -> dict[str, str]:
        return self.prometheus.values(self.board.variables)

    @cached_property
    def panels(self) -> list[Json]:
        return list(json.loads(self.board.text())["panels"])

    def answers(self, panel: Json) -> list[list[Series]]:
        return [self.prometheus.ask(target, self.values) for target in panel.get("targets", ())]

    def draw(self) -> bytes:
        placed = [one for one in self.panels if one["type"] != "text" or _bottom(one) <= TEXTS_UNTIL]
        height = max(map(_bottom, placed)) * (CELL + GAP) + GAP
        figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100, facecolor=BEHIND)
        for panel in placed:
            self._panel(figure, panel, height)
        return _small(figure)

    def _panel(self, figure: Figure, panel: Json, height: float) -> None:
        frame = _frame(figure, panel["gridPos"], height, plain=panel["type"] == "row")
        frame.write(8, 14, panel["title"], fontsize=9, weight="bold")
        if panel["type"] == "text":
            paint_text(frame, panel["options"]["content"])
        elif panel["type"] != "row":
            self._numbers(frame, panel)

    def _numbers(self, frame: Frame, panel: Json) -> None:
        answers = self.answers(panel)
        if not any(answers):
            empty = panel["fieldConfig"]["defaults"].get("noValue", "No data")
            frame.write(frame.width / 2, frame.height / 2, empty, ha="center", color=FAINT, fontsize=11)
        elif panel["type"] == "stat":
            paint_stat(frame, panel, answers, self.prometheus.now)
        elif panel["type"] == "table":
            paint_table(frame, panel, answers, self.prometheus.now)
        else:
            paint_lines(frame, panel, answers, self.prometheus)


def _frame(figure: Figure, place: Json, whole: float, *, plain: bool) -> Frame:
    column = (WIDTH - GAP) / 24
    x, width = GAP + place["x"] * column, place["w"] * column - GAP
    y, height = GAP + place["y"] * (CELL + GAP), place["h"] * (CELL + GAP) - GAP
    axes = figure.add_axes((x / WIDTH, 1 - (y + height) / whole, width / WIDTH, height / whole))
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=(), yticks=(), facecolor=BEHIND if plain else PANEL)
    for edge in axes.spines.values():
        edge.set(visible=not plain, color=GRID)
    return Frame(axes, width, height)


def _bottom(panel: Json) -> int:
    return int(panel["gridPos"]["y"] + panel["gridPos"]["h"])


def _small(figure: Figure) -> bytes:
    """With as many colours as there is room for."""
    full = BytesIO()
    figure.savefig(full, facecolor=BEHIND)
    for colours in PALETTES:
        small = BytesIO()
        reduced = Image.open(full).convert("RGB").quantize(colours, COVERING, dither=NO_DITHER)
        reduced.save(small, "PNG", optimize=True)
        if small.tell() < LARGEST:
            break
    return small.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboards.boards.preview", description=__doc__)
    parser.add_argument("--prometheus", required=True, help="its address, as http://127.0.0.1:9090")
    parser.add_argument("--out", required=True, type=Path, help="a folder for the pictures")
    parser.add_argument("--board", choices=[board.name for board in BOARDS], help="only this one")
    parser.add_argument("--minutes", type=int, default=360, help="how much is shown")
    parser.add_argument("--window", type=int, default=60, help="seconds that a rate looks back")
    told = parser.parse_args()
    prometheus = Prometheus(told.prometheus, time.time(), told.minutes * 60, told.window)
    for board in BOARDS:
        if told.board in (None, board.name):
            picture = Picture(board, prometheus).draw()
            (told.out / f"board-{board.name}.png").write_bytes(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
