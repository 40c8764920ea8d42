"""What of the traffic needs no API."""

import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from simulator.cli import main
from simulator.errors import SimulatorError
from simulator.hours import DAY_S, until_next
from simulator.traffic.tape import read_tape
from simulator.traffic.visit import Reply


def test_a_file_that_is_no_tape_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "tape.jsonl"
    file.write_text('{"at": 0}\n')
    with pytest.raises(SimulatorError, match="line 1 is no line of a tape"):
        list(read_tape(file))


def test_an_answer_that_is_no_json_is_an_answer_without_a_body() -> None:
    assert Reply.of(httpx.Response(502, text="<html>Bad gateway")) == Reply(502, {})
    assert Reply.of(httpx.Response(200, json=[1])) == Reply(200, {})
    assert Reply.of(httpx.Response(200, json={"a": 1})) == Reply(200, {"a": 1})


def test_viewers_come_as_often_as_they_do_and_most_in_the_evening() -> None:
    rng, moments, now = np.random.default_rng(1), [], 0.0
    while now < 400 * DAY_S:
        now += until_next(now % DAY_S, 2.0, rng)
        moments.append(now)
    assert len(moments) == pytest.approx(800, rel=0.12)
    hours = (np.array(moments) % DAY_S) // 3_600
    evening, morning = np.isin(hours, (18, 19, 20, 21)).sum(), np.isin(hours, (6, 7, 8, 9)).sum()
    assert evening > 4 * morning
    assert len(set(np.diff(moments).round())) > 700  # not in lock-step


def test_without_locust_traffic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "locust", None)  # as where it is not installed
    done = CliRunner().invoke(main, ["traffic"])
    assert done.exit_code == 1
    assert "pip install 'marquee[traffic]'" in done.output
