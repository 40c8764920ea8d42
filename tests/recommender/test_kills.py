"""Every step of the two DAGs, killed at three moments of chance and run again, ends as an undisturbed one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import recommender
from recommender import accounts
from recommender.days import parse_day
from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from simulator.days import Crowd, write_day
from tests.conftest import database

DAY = "2025-12-31"
STARTER = Path(recommender.__file__).parent / "starter" / "movies.csv"
MARQUEE = [sys.executable, "-c", "from recommender.cli import main; main()", "--record", "-"]
KILLS = 3
# By natural key: what surrogate ids and clocks say is left out.
TABLES = (
    "SELECT external_id, space, taste::text, genre_profile::text FROM users ORDER BY 1",
    """SELECT external_id, source_id, rating, rated_at FROM movies_users_rating JOIN users USING (user_id)
       JOIN movie_sources USING (movie_id) ORDER BY 1, 2""",
    """SELECT source_id, title, year, ratings_count, space FROM movies
       JOIN movie_sources USING (movie_id) ORDER BY 1""",
    "SELECT file, sha256, rows_read, rows_loaded, rows_unchanged, rows_rejected FROM injections ORDER BY 1",
    "SELECT file, line, rule, row FROM rejects ORDER BY 1, 2",
    "SELECT version, status, day, card::text, metrics::text, verdict::text FROM models ORDER BY 1",
    "SELECT version, replaced, kind FROM publications ORDER BY publication_id",
    "SELECT champion FROM serving",
    """SELECT external_id, day, version, movie_ids::text, scores::text FROM nightly_lists
       JOIN users USING (user_id) ORDER BY 1""",
    "SELECT * FROM drift ORDER BY day, measure",
)


@dataclass(frozen=True)
class World:
    folder: Path
    urls: PerRole[str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        settings = {
            "DATABASE_URL": self.urls.pipeline,
            "DATA_URL": str(self.folder / "data"),
            "MODELS_URL": str(self.folder / "models"),
            "TOMBSTONE_KEY": "Bq4nWt7zKx2mVc9pLs5rYd8gHj3fTa6u",
        }
        return subprocess.Popen(
            [*MARQUEE, *words], env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: str) -> str:
        """The record that it prints last."""
        process = self.start(*words)
        said, _ = process.communicate()
        assert process.returncode == 0, (words, said)
        return said.splitlines()[-1]

    def kill(self, after_s: float, *words: str) -> bool:
        """Whether it was still running."""
        process = self.start(*words)
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return process.returncode == -signal.SIGKILL

    def rows(self) -> list[list[tuple[object, ...]]]:
        admin = create_engine(self.urls.admin)
        with admin.connect() as connection:
            found = [[tuple(row) for row in connection.execute(text(query))] for query in TABLES]
        admin.dispose()
        return found

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.folder.rglob("*") if path.is_file() and ".unfinished" not in path.name]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


def same(calm: World, killed: World, chance: random.Random, *words: str) -> str:
    """The step in both worlds; in the second one after it was killed."""
    began = time.monotonic()
    record = calm.run(*words)
    took = time.monotonic() - began
    hits = [killed.kill(took * chance.uniform(0.3, 0.95), *words) for _ in range(KILLS)]
    assert any(hits), words
    killed.run(*words)
    assert calm.files() == killed.files(), words
    assert calm.rows() == killed.rows(), words
    return record


def prepared(folder: Path, urls: PerRole[str]) -> World:
    day = folder / "data" / "simulation_data"
    write_day(STARTER, day, parse_day(DAY), [Crowd("viewers", 1, 150)], seed=7, source="starter")
    engine = create_engine(urls.owner)
    with engine.begin() as connection:
        accounts.register(connection, "viewers", "Viewers", "viewers@example.com", "of no password")
    engine.dispose()
    return World(folder, urls)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_step_that_is_killed_and_run_again_ends_as_an_undisturbed_one(
    server: Server, template: str, tmp_path: Path
) -> None:
    chance = random.Random(7)
    with database(server, template) as urls, database(server, template) as others:
        calm, killed = prepared(tmp_path / "calm", urls), prepared(tmp_path / "killed", others)
        for verb in ("fetch", "process", "load"):
            same(calm, killed, chance, verb, "--day", DAY)
        ask = create_engine(urls.admin)
        with ask.begin() as connection:
            connection.execute(text("UPDATE clients SET nightly_k = 5"))
        ask.dispose()
        # Ids differ where a load was rolled back, and they decide who is held out: learn from the same ones.
        shutil.copytree(calm.folder, tmp_path / "learning")
        with database(server, str(create_engine(urls.admin).url.database)) as copied:
            learn(calm, World(tmp_path / "learning", copied), chance)


def learn(calm: World, killed: World, chance: random.Random) -> None:
    parts = json.loads(same(calm, killed, chance, "snapshot", "--day", DAY, "--shards", "2"))
    for part in parts:
        same(calm, killed, chance, "count", "--digest", part["digest"], "--shard", str(part["shard"]))
    trained = same(calm, killed, chance, "train", "--day", DAY, "--digest", parts[0]["digest"])
    version = json.loads(trained)["version"]
    for words in (
        ("evaluate", version),
        ("publish", version),
        ("refold",),
        ("recommend-all", "--day", DAY),
        ("drift", "--day", DAY),
        ("tidy",),
    ):
        same(calm, killed, chance, *words)
