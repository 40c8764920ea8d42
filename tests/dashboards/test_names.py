"""Whatever a rule or a panel asks for is told by a source that it names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.boards import BOARDS
from tests.dashboards import promql
from tests.dashboards.rules import FILES, records, rules
from tests.dashboards.rules import sources as declared
from tests.dashboards.sources import SOURCES, Labels, faults, known

GRAFANAS = re.compile(r"\$__\w+")  # variables that stand for a length of time


def tree(expression: str) -> object:
    return promql.parsed(GRAFANAS.sub("5m", expression))


def asked() -> Iterator[tuple[str, list[str], list[promql.Use]]]:
    """Each file of rules and each board: its name, the sources that it declares, what it uses."""
    for file in FILES:
        trees = [rule.tree for rule in rules() if rule.file == file]
        yield file.name, declared(file), [use for one in trees for use in promql.uses(one)]
    for board in BOARDS:
        trees = [tree(expression) for expression in board.expressions]
        yield board.name, list(board.sources), [use for one in trees for use in promql.uses(one)]


ASKED = list(asked())


@pytest.mark.parametrize(("name", "sources", "uses"), ASKED, ids=[name for name, *_ in ASKED])
def test_every_name_and_label_is_in_a_declared_source(
    name: str, sources: list[str], uses: list[promql.Use]
) -> None:
    found = [known(source) for source in sources]
    assert sorted({fault for use in uses for fault in faults(use, found)}) == []


@pytest.mark.parametrize(("name", "sources", "uses"), ASKED, ids=[name for name, *_ in ASKED])
def test_no_source_is_declared_in_vain(name: str, sources: list[str], uses: list[promql.Use]) -> None:
    used = {use.metric for use in uses}
    assert [source for source in sources if used.isdisjoint(known(source))] == []


def test_a_name_stands_in_one_source() -> None:
    """Or a declaration would not say where it comes from."""
    every = [name for source in SOURCES for name in known(source)]
    assert sorted({name for name in every if every.count(name) > 1}) == []


def test_every_recording_is_read() -> None:
    used = {use.metric for _, _, uses in ASKED for use in uses}
    assert {rule.name for rule in records()} - used == set()


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("marquee_readiness == 1", "marquee_readiness is in no source"),
        ('marquee_fallbacks_total{cause="no_model"}', "marquee_fallbacks_total has no label cause"),
        ("sum by (route) (rate(http_requests_total[5m]))", "http_requests_total has no label route"),
        ("airflow_scheduler_heartbeat > 0", "airflow_scheduler_heartbeat is in no source"),
    ],
)
def test_what_nobody_tells_is_seen(expression: str, fault: str) -> None:
    found: list[Labels] = [known("api")]
    assert fault in [one for use in promql.uses(promql.parsed(expression)) for one in faults(use, found)]


def test_a_file_that_names_no_source_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("groups: []\n")
    with pytest.raises(AssertionError, match=r"the first line of rules\.yaml"):
        declared(file)
