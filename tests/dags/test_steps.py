"""A step is the same verb with the same words in both places, whatever a person typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recommender.cli import main
from tests.dags.conftest import HOSTILE, Told

SHARDS = "the number of shards"
WORDS = {
    "fetch": ["--day", "2026-02-28", "--force", HOSTILE],
    "process": ["--day", "2026-02-28", "--force", HOSTILE],
    "load": ["--day", "2026-02-28"],
    "snapshot": ["--day", "2026-02-28", "--shards", SHARDS, "--force", HOSTILE],
    "count": ["--digest", "d1", "--shard", "3"],
    "train": ["--day", "2026-02-28", "--shards", SHARDS, "--force", HOSTILE, "--digest", "d1"],
    "evaluate": ["v1"],
    "publish": ["v1", "--force", HOSTILE],
    "refold": [],
    "recommend-all": ["--day", "2026-02-28"],
    "drift": ["--day", "2026-02-28"],
    "tidy": [],
}


@pytest.mark.parametrize("verb", WORDS)
def test_the_verb_takes_these_words(verb: str) -> None:
    command = main.commands[verb]
    assert command.make_context(verb, words(verb, shards="64")).args == []


def tasks(told: Told) -> dict[str, Told]:
    return {name: task for dag in told["dags"].values() for name, task in dag["tasks"].items()}


def test_on_one_machine_bash_hands_every_word_over_as_it_was_typed(local: Told, tmp_path: Path) -> None:
    """What bash runs is replaced by a program that writes down its words."""
    marquee = "'/a folder/bin/marquee'"
    echo = f"'{sys.executable}' -c 'import json, sys; print(json.dumps(sys.argv[1:]))'"
    for name, task in tasks(local).items():
        assert task["command"].startswith(f"exec {marquee} local run --record - "), name
        assert not set(HOSTILE.split()) & set(task["command"].split()), name
        command = task["command"].replace(marquee, echo)
        env = {**os.environ, **task["env"]}
        said = subprocess.run(["bash", "-c", command], env=env, cwd=tmp_path, capture_output=True, check=True)
        assert json.loads(said.stdout) == ["local", "run", "--record", "-", name, *words(name, shards="2")]
    assert list(tmp_path.iterdir()) == []


def test_in_the_cluster_kubernetes_hands_every_word_over_as_it_was_typed(cluster: Told) -> None:
    """It reads $(NAME) as a variable, and $$ as one $."""
    for name, task in tasks(cluster).items():
        container = task["pod"]["spec"]["containers"][0]
        assert container["command"] == ["marquee"]
        said = [word.replace("$$", "$") for word in container["args"]]
        assert said == ["--record", "-", name, *words(name, shards="64")]
        assert not any("$" in word.replace("$$", "") for word in container["args"])


def words(verb: str, shards: str) -> list[str]:
    return [shards if word == SHARDS else word for word in WORDS[verb]]


def test_the_shards_are_counted_side_by_side(local: Told, cluster: Told) -> None:
    for told in (local, cluster):
        assert [name for name, task in tasks(told).items() if task["mapped"]] == ["count"]
