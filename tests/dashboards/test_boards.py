"""The committed dashboards are what the code makes, ask what can be answered, and say what they show."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest

from dashboards.boards import BOARDS
from dashboards.boards.asking import filled
from dashboards.boards.board import Board
from dashboards.boards.objectives import COUNTED, INTERACTIVE
from dashboards.boards.panels import identity
from recommender.local.places import PROJECT

FOLDER = PROJECT / "dashboards"
METRICS = (PROJECT / "api" / "METRICS.md").read_text(encoding="utf-8")
NAME = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.MULTILINE)
LARGEST = 150_000  # bytes: a ConfigMap holds 1 MiB
VALUES = {
    "namespace": "marquee",
    "job": "marquee-api",
    "airflow": "airflow",
    "__rate_interval": "1m",
    "__range": "6h",
}

# What is told and stands on no board, and why.
UNSEEN = {
    "process_virtual_memory_bytes": "addresses cost nothing",
    "python_info": "it comes with the release, which is shown",
}

boards = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)


def stored(board: Board) -> Any:
    return json.loads((FOLDER / f"{board.name}.json").read_text(encoding="utf-8"))


def panels(board: Board) -> list[Any]:
    """Without the rows' own lines."""
    return [panel for panel in stored(board)["panels"] if panel["type"] != "row"]


def targets(board: Board) -> list[Any]:
    return [target for panel in panels(board) for target in panel.get("targets", ())]


def parsed(board: Board) -> list[promql.Expr]:
    return [promql.parse(filled(expression, VALUES)) for expression in board.expressions]


def selectors(
    node: Any, above: tuple[str, ...] = ()
) -> Iterator[tuple[promql.VectorSelector, tuple[str, ...]]]:
    """Each selector with the functions and aggregations around it, the nearest first."""
    if isinstance(node, promql.VectorSelector):
        yield node, above
    if isinstance(node, promql.AggregateExpr):
        yield from selectors(node.expr, (str(node.op), *above))
    elif isinstance(node, promql.Call):
        for argument in node.args:
            yield from selectors(argument, (node.func.name, *above))
    elif isinstance(node, promql.BinaryExpr):
        yield from selectors(node.lhs, above)
        yield from selectors(node.rhs, above)
    elif isinstance(node, promql.MatrixSelector):
        yield from selectors(node.vector_selector, above)
    elif isinstance(node, promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        yield from selectors(node.expr, above)


def selected(board: Board) -> list[tuple[promql.VectorSelector, tuple[str, ...]]]:
    return [found for expression in parsed(board) for found in selectors(expression)]


def told(section: str = "") -> dict[str, str]:
    """The metrics of the API by their type, of all sections or one."""
    text = METRICS.partition(f"## {section}")[2].partition("\n## ")[0] if section else METRICS
    return dict(NAME.findall(text))


def asks_for(selector: promql.VectorSelector, label: str) -> bool:
    return any(matcher.name == label for matcher in selector.matchers.matchers)


# the files


@boards
def test_the_file_is_what_the_code_makes(board: Board) -> None:
    assert (FOLDER / f"{board.name}.json").read_text(encoding="utf-8") == board.text()


def test_every_board_and_nothing_else_lies_there() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {board.name for board in BOARDS}


@boards
def test_a_config_map_holds_it(board: Board) -> None:
    assert (FOLDER / f"{board.name}.json").stat().st_size < LARGEST


def test_the_command_names_what_differs(tmp_path: Path) -> None:
    def compared(*told: str) -> tuple[int, str]:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "dashboards.boards",
            "--folder",
            str(tmp_path),
            *told,
        ]
        ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr

    assert compared("--write") == (0, "")
    (tmp_path / "api.json").write_text("{}", encoding="utf-8")
    code, said = compared()
    assert (code, "api.json" in said, "model.json" in said) == (1, True, False)


# what a person reads


@boards
def test_a_board_is_found_by_its_name_and_leads_to_the_others(board: Board) -> None:
    made = stored(board)
    assert (made["uid"], made["tags"]) == (f"marquee-{board.name}", ["marquee"])
    assert [(link["type"], link["tags"]) for link in made["links"]] == [("dashboards", ["marquee"])]


@boards
def test_every_panel_has_a_title_of_its_own_and_says_what_it_shows(board: Board) -> None:
    found = panels(board)
    assert len({panel["title"] for panel in found}) == len(found)
    assert all(panel["description"].endswith((".", "?")) for panel in found)


@boards
def test_every_number_has_a_unit(board: Board) -> None:
    for panel in panels(board):
        options = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        if panel["type"] == "table":
            united = {
                one["matcher"]["options"]
                for one in options["overrides"]
                if any(part["id"] == "unit" for part in one["properties"])
            }
            renamed = panel["transformations"][-1]["options"]["renameByName"]
            assert {title for field, title in renamed.items() if field.startswith("Value")} == united
        elif panel["type"] != "text":
            assert options["defaults"]["unit"], panel["title"]


@boards
def test_ids_and_queries_are_told_apart(board: Board) -> None:
    ids = [panel["id"] for panel in stored(board)["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(board):
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert letters == list("ABCDEFGH"[: len(letters)])


@boards
def test_panels_lie_on_the_grid_and_not_on_each_other(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in stored(board)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@boards
def test_a_way_to_a_runbook_leads_to_its_page(board: Board) -> None:
    pages = {panel["id"] for panel in panels(BOARDS[-1])}
    for panel in panels(board):
        for link in panel.get("links", ()):
            alert = link["title"].removeprefix("Runbook: ")
            if alert != link["title"]:
                assert (FOLDER / "runbooks" / f"{alert}.md").exists(), alert
                assert link["url"] == f"/d/marquee-runbooks?viewPanel={identity(alert)}"
                assert identity(alert) in pages


def test_grafana_finds_no_variable_in_a_runbook() -> None:
    texts = [panel["options"]["content"] for panel in panels(BOARDS[-1])]
    assert texts
    assert not [text for text in texts if "${" in text or "[[" in text]


# what they ask


@boards
def test_every_query_goes_to_the_chosen_prometheus(board: Board) -> None:
    asked = targets(board)
    assert {target["datasource"]["uid"] for target in asked} <= {"${datasource}"}
    variables = [one["name"] for one in stored(board)["templating"].get("list", ())]
    assert variables == (["datasource", *(one.name for one in board.variables)] if asked else [])


@boards
def test_every_query_can_be_parsed_and_has_no_variable_left(board: Board) -> None:
    assert len(parsed(board)) == len(targets(board))
    assert not [text for text in board.expressions if "$" in filled(text, VALUES)]


@boards
def test_a_query_keeps_to_one_install(board: Board) -> None:
    apart = [str(one) for one, _ in selected(board) if not asks_for(one, "namespace")]
    assert all("ALERTS" in one for one in apart), apart


@boards
def test_a_name_that_others_use_too_is_asked_of_our_api_only(board: Board) -> None:
    shared = {name for name in told() if not name.startswith("marquee_")}
    for one, _ in selected(board):
        if re.sub(r"_(bucket|sum|count)$", "", one.name or "") in shared:
            assert asks_for(one, "job"), str(one)


@boards
def test_what_every_process_tells_is_never_summed(board: Board) -> None:
    figures = told("The platform")
    assert "marquee_model_ndcg" in figures
    for one, above in selected(board):
        if one.name in figures:
            assert above[0] == "max", f"{one} in {above}"


@boards
def test_a_counter_is_only_seen_growing(board: Board) -> None:
    counters = {name for name, kind in told().items() if kind == "counter"}
    for one, above in selected(board):
        if one.name in counters:
            assert above[:2] in {("rate", "sum"), ("increase", "sum")}, f"{one} in {above}"


def test_no_metric_of_the_api_is_out_of_sight() -> None:
    seen = {one.name or "" for board in BOARDS for one, _ in selected(board)}
    shown = seen | {re.sub(r"_(bucket|sum|count)$", "", name) for name in seen}
    assert set(told()) - shown == set(UNSEEN)


def test_the_boards_count_what_the_objectives_count() -> None:
    rules = (FOLDER / "rules" / "slo.yaml").read_text(encoding="utf-8")
    assert COUNTED in rules
    assert INTERACTIVE in rules
