import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from recommender.errors import Failed
from recommender.local import verbs
from recommender.local.done import Done


def run(program: Sequence[str], folder: Path) -> list[str]:
    shown: list[str] = []
    verbs.run(program, env=dict(os.environ), cwd=folder, log=folder / "log", show=shown.append)
    return shown


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_program_says_is_shown_and_kept(tmp_path: Path) -> None:
    assert run(python("print('one'); print('two, élan')"), tmp_path) == ["one", "two, élan"]
    assert (tmp_path / "log").read_text() == "one\ntwo, élan\n"


def test_a_bar_that_is_soon_full_is_not_shown(tmp_path: Path) -> None:
    assert run(python(r"print(*range(1000), sep='\r'); print('done')"), tmp_path) == ["done"]


def test_of_a_slow_bar_some_states_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "SHOWN_EVERY_S", 0)
    shown = run(python(r"print(*range(1000), sep='\r'); print('done')"), tmp_path)
    assert shown[-2:] == ["999", "done"]
    assert len(shown) > 3


def test_a_program_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=rf"^no such folder \(more in {tmp_path}/log\)$"):
        run(python("import sys; print('first'); sys.exit('marquee: no such folder')"), tmp_path)


def test_a_program_that_closes_its_output_early_is_waited_for(tmp_path: Path) -> None:
    code = "import os; os.close(1); os.close(2); sum(range(5_000_000)); open('finished', 'w')"
    assert run(python(code), tmp_path) == []
    assert (tmp_path / "finished").exists()


def test_work_is_done_once_for_a_key_and_again_for_another(tmp_path: Path) -> None:
    done, worked = Done(tmp_path / "done.json"), list[str]()
    for key in ("a", "a", "b", "b", "a"):
        done.once("load", key, lambda key=key: worked.append(key))  # type: ignore[misc]
    assert worked == ["a", "b", "a"]


def test_work_that_failed_is_done_again(tmp_path: Path) -> None:
    done = Done(tmp_path / "done.json")
    with pytest.raises(ZeroDivisionError):
        done.once("load", "a", fail)
    assert done.once("load", "a", lambda: None)


def fail() -> None:
    raise ZeroDivisionError


def test_forgotten_work_is_done_again_and_the_rest_is_not(tmp_path: Path) -> None:
    done = Done(tmp_path / "done.json")
    for step in ("load", "train"):
        done.once(step, "a", lambda: None)
    done.forget("load")
    assert done.once("load", "a", lambda: None)
    assert not done.once("train", "a", lambda: None)
