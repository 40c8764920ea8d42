"""Every runbook in a panel, so that it can be read where the alert is seen."""

import re
from collections.abc import Iterator
from pathlib import Path

from dashboards.boards.board import Board, Row
from dashboards.boards.panels import Look, runbook_url, text_panel

FOLDER = Path(__file__).parents[1]
ALERT = re.compile(r"^\s*- alert: (\w+)$", re.MULTILINE)


def rows() -> list[Row]:
    found = sorted(FOLDER.glob("runbooks/*.md"))
    pages = [
        text_panel(
            file.stem,
            f"What to do when {file.stem} fires.",
            file.read_text(encoding="utf-8"),
            Look(12, 14),
        )
        for file in found
    ]
    index = text_panel("All of them", "One page for each alert.", "\n".join(_index()), Look(24, 7))
    return [Row("Which alert?", [index]), Row("What to do", pages)]


def _index() -> Iterator[str]:
    """The alerts of one file of rules in one line, each with the way to its page."""
    for rules in sorted(FOLDER.glob("rules/*.yaml")):
        named = ALERT.findall(rules.read_text(encoding="utf-8"))
        yield f"- **{rules.stem}**: " + ", ".join(
            f"[{name}]({runbook_url(name)})" for name in dict.fromkeys(named)
        )


BOARD = Board(
    name="runbooks",
    title="Runbooks",
    description="What each alert means and what to do about it.",
    sources=(),
    rows=rows,
    variables=(),
)
