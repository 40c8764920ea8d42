"""From raw to processed: what a day's files may look like, what comes out, and what happens on the way."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from recommender.daily.fetching import fetch
from recommender.daily.parquet import MOVIES as MOVIES_FILE
from recommender.daily.parquet import read_table
from recommender.daily.processing import CURRENT, INPUTS
from recommender.database import transaction
from recommender.days import INCOMING, NOT_INJECTED, PROCESSED, RAW
from recommender.errors import BadArtifact, BadInput, Failed, MarqueeError, Rejected
from recommender.files import Store
from recommender.history import History
from recommender.imports.rows import Rule
from recommender.local.urls import PerRole
from recommender.manifests import read_manifest, seal_again
from recommender.model import Model, Parameters, fit_model
from recommender.movies import read_catalogue
from recommender.tombstones import external_digest
from tests.recommender.incoming import (
    DAY,
    HEADER,
    KEY,
    MOVIES,
    NOON,
    Days,
    balanced,
    files_up_to,
    packed,
    ratings,
    silent,
)

GOOD = ratings(f"8,1,3,{NOON}", f"7,2,5,{NOON}", f"7,1,4.5,{NOON - 9}")
KEPT = [("7", "1", 4.5, NOON - 9, 4), ("7", "2", 5, NOON, 3), ("8", "1", 3, NOON, 2)]
FILES = {"movies.csv": MOVIES, "acme/ratings.csv": GOOD}
SEALED = f"{PROCESSED}/{DAY}"


@pytest.fixture
def days(engines: PerRole[Engine], tmp_path: Path) -> Days:
    return Days.at(engines, tmp_path)


def test_a_day_is_sorted_counted_and_described(days: Days) -> None:
    made = days.take(FILES)
    assert days.kept() == KEPT
    assert made.about["clients"] == {
        "acme": {
            "read": 3,
            "kept": 3,
            "superseded": 0,
            "rejected": {},
            "users": 2,
            "parts": 1,
            "sha256": read_manifest(days.data, f"{RAW}/{DAY}").entry("acme/ratings.csv").sha256,  # type: ignore[union-attr]
        }
    }
    assert made.about["movies"] == {"read": 3, "kept": 3, "rejected": {}}
    raw = read_manifest(days.data, f"{RAW}/{DAY}")
    assert raw and made.about["raw"] == raw.digest
    assert (made.about["day"], made.about["batch"], made.about["source"]) == (str(DAY), str(DAY), INCOMING)
    assert (made.about["champion"], made.about["reason"], made.about["unknown_clients"]) == (None, None, [])


def test_every_file_of_the_day_has_its_number_of_rows(days: Days) -> None:
    rows = {entry.path: entry.rows for entry in days.take(FILES).files}
    assert rows == {INPUTS: None, MOVIES_FILE: 3, "acme/ratings-000.parquet": 3, "acme/users-000.parquet": 2}


def test_movies_are_read_as_the_catalogue_writes_them(days: Days) -> None:
    days.take(FILES)
    found = [tuple(row.values()) for row in read_table(days.data, f"{SEALED}/{MOVIES_FILE}").to_pylist()]
    assert found == [
        (2, "1", "Heat", 1995, "movie", ["Action", "Crime"]),
        (3, "2", "The Matrix", 1999, "movie", ["Action", "Sci-Fi"]),
        (4, "3", "Ran", 1985, "movie", []),
    ]


def test_quotes_commas_and_accents_in_titles_are_kept(days: Days) -> None:
    lines = ['1,"Léon: ""The Professional"" (1994)",Crime', '2,"Crouching, Hidden (2000)",Drama|"Action"']
    days.take({**FILES, "movies.csv": ratings(*lines, header="movieId,title,genres")})
    found = read_table(days.data, f"{SEALED}/{MOVIES_FILE}", ["title"]).column("title").to_pylist()
    assert found == ['Léon: "The Professional"', "Crouching, Hidden"]


# what the files may look like

ROWS = (("8", "1", "3", str(NOON)), ("7", "2", "5", str(NOON)), ("7", "1", "4.5", str(NOON - 9)))
WIDE = ratings(
    *(f'"so, so",{time},{movie},"{user}",{"x" * 600},{mark}' for user, movie, mark, time in ROWS),
    header=f"note,timestamp,movieId,userId,{'c' * 600},rating",
)
WRITTEN: Mapping[str, tuple[str, str | bytes]] = {
    "with extra columns and another order": ("acme/ratings.csv", WIDE),
    "with a byte order mark": ("acme/ratings.csv", "\ufeff" + GOOD),
    "with Windows line ends": ("acme/ratings.csv", GOOD.replace("\n", "\r\n")),
    "with quotes": ("acme/ratings.csv", "\n".join(f'"{line}"'.replace(",", '","') for line in GOOD.split())),
    "packed": ("acme/ratings.csv.gz", packed(GOOD)),
    "packed with Windows line ends": ("acme/ratings.csv.gz", packed("\ufeff" + GOOD.replace("\n", "\r\n"))),
    "without a last line end": ("acme/ratings.csv", GOOD.rstrip()),
    "with empty lines": ("acme/ratings.csv", GOOD.rstrip() + "\n\n\r\n"),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_a_file_says_the_same_however_it_is_written(days: Days, way: str) -> None:
    path, content = WRITTEN[way]
    made = days.take({"movies.csv": MOVIES, path: content})
    assert days.kept() == KEPT
    assert balanced(made) and made.about["clients"]["acme"]["read"] == 3


def test_without_movies_csv_the_movies_known_from_the_source_so_far_count(days: Days) -> None:
    days.know("1", "2")
    made = days.take({"acme/ratings.csv": ratings(f"7,1,4,{NOON}", f"7,3,4,{NOON}")})
    assert [row[1] for row in days.kept()] == ["1"]
    assert days.rules() == {3: "unknown_movie"}
    assert made.about["movies"] == {"read": 0, "kept": 0, "rejected": {}}
    assert read_table(days.data, f"{SEALED}/{MOVIES_FILE}").num_rows == 0


def test_movies_of_another_source_are_unknown(days: Days) -> None:
    days.know("1", source="elsewhere")
    days.take({"acme/ratings.csv": ratings(f"7,1,4,{NOON}")})
    assert days.rules() == {2: "unknown_movie"}


def test_empty_lines_before_the_first_do_no_harm(days: Days) -> None:
    days.take({"movies.csv": "\n\r\n" + MOVIES, "acme/ratings.csv": "\n\n" + GOOD})
    assert days.kept() == [(*row[:4], row[4] + 2) for row in KEPT]


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\r\n", packed("")])
def test_an_empty_file_has_no_rows(days: Days, content: str | bytes) -> None:
    end = ".gz" if isinstance(content, bytes) else ""
    made = days.take(
        {f"movies.csv{end}": content, f"acme/ratings.csv{end}": content, "bolt/ratings.csv": HEADER}
    )
    for client in ("acme", "bolt"):
        counted = made.about["clients"][client]
        assert (counted["read"], counted["kept"], counted["users"], counted["parts"]) == (0, 0, 0, 0)
    assert made.about["movies"]["read"] == 0


@pytest.mark.parametrize(
    ("path", "header", "missing"),
    [
        ("acme/ratings.csv", "userId,movieId,rating", "no column timestamp"),
        ("acme/ratings.csv", "user,movie,rating,timestamp", "no column userid and no movieid"),
        ("movies.csv", "movieId,title", "no column genres"),
        ("acme/ratings.csv", "userId,user_id,movieId,rating,timestamp", "the column userid twice"),
    ],
)
def test_a_missing_column_is_named_with_its_file(days: Days, path: str, header: str, missing: str) -> None:
    with pytest.raises(BadInput, match=f"{DAY}/{path}: the first line names {missing}"):
        days.take({**FILES, path: header + "\n"})
    assert read_manifest(days.data, SEALED) is None


# rows that are not good

FAULTS: list[tuple[str, Rule]] = [
    ("7,1,4", Rule.WRONG_COLUMN_COUNT),
    (f",1,4,{NOON}", Rule.BAD_USER),
    (f"{'u' * 201},1,4,{NOON}", Rule.BAD_USER),
    (f"7\N{REPLACEMENT CHARACTER}7,1,4,{NOON}", Rule.BAD_ENCODING),  # a carriage return, when it is sent
    (f"7,9,4,{NOON}", Rule.UNKNOWN_MOVIE),
    (f"7,1,good,{NOON}", Rule.BAD_RATING),
    (f"7,1,5.5,{NOON}", Rule.RATING_OFF_SCALE),
    ("7,1,4,noon", Rule.BAD_TIMESTAMP),
    ("7,1,4,1769904000", Rule.FUTURE_TIMESTAMP),  # midnight: the next day has begun
]


def test_each_planted_fault_is_listed_with_its_rule_and_its_row(days: Days) -> None:
    sent = GOOD + ratings(*(row for row, _ in FAULTS), header="")[1:]
    made = days.take({**FILES, "acme/ratings.csv": sent.replace("\N{REPLACEMENT CHARACTER}", "\r")})
    found = days.refused()
    assert [(row["line"], row["rule"], row["row"]) for row in found] == [
        (str(line), rule.value, row) for line, (row, rule) in enumerate(FAULTS, start=5)
    ]
    assert {row["file"] for row in found} == {"acme/ratings.csv"}
    assert [found[4][name] for name in ("userId", "movieId", "rating", "timestamp")] == [
        "7",
        "9",
        "4",
        str(NOON),
    ]
    assert days.kept() == KEPT
    assert balanced(made) and made.about["clients"]["acme"]["read"] == len(KEPT) + len(FAULTS)
    assert made.about["clients"]["acme"]["rejected"]["bad_user"] == 2


def test_movies_that_break_a_rule_are_listed_too(days: Days) -> None:
    lines = ("1,Heat (1995),Crime", "1,Heat again (1995),Crime", "2,,Drama", "3,Old (1066),Drama")
    made = days.take({**FILES, "movies.csv": ratings(*lines, header="movieId,title,genres")})
    assert days.rules("movies.csv") == {3: "duplicate_movie", 4: "no_title", 5: "bad_year"}
    assert days.refused("movies.csv")[2]["title"] == "Old (1066)"
    assert made.about["movies"]["read"] == 4 and made.about["movies"]["kept"] == 1


def test_what_postgres_has_no_index_for_is_refused_before_it_gets_there(days: Days) -> None:
    lines = (f"1,{'x' * 500} (1995),Crime", f"2,{'x' * 501} (1995),Crime", f"3,Ran (1985),War|{'x' * 101}")
    days.take({**FILES, "movies.csv": ratings(*lines, header="movieId,title,genres")})
    assert days.rules("movies.csv") == {3: "no_title", 4: "bad_genre"}


def test_a_list_names_users_as_they_were_read(days: Days) -> None:
    days.take({**FILES, "acme/ratings.csv": ratings(f'"a""b",9,4,{NOON}', f'"a""b",1,4,{NOON}')})
    assert [row["userId"] for row in days.refused()] == [row[0] for row in days.kept()] == ["ab"]


def test_the_last_second_of_the_day_belongs_to_it(days: Days) -> None:
    days.take({**FILES, "acme/ratings.csv": ratings("7,1,4,1769903999.5")})
    assert days.kept() == [("7", "1", 4, 1769903999.5, 2)]


def test_a_rating_changed_twice_in_a_day_counts_as_it_was_left(days: Days) -> None:
    rows = (f"7,1,1,{NOON}", f"7,1,2,{NOON + 2}", f"7,1,3,{NOON + 1}", f"7,2,1,{NOON}", f"7,2,5,{NOON}")
    made = days.take({**FILES, "acme/ratings.csv": ratings(*rows)})
    assert [row[1:3] for row in days.kept()] == [("1", 2.0), ("2", 5.0)]
    assert made.about["clients"]["acme"]["superseded"] == 3
    assert balanced(made)


def test_a_rating_that_comes_before_its_movie_is_kept_once_the_movie_is_there(days: Days) -> None:
    days.take({"acme/ratings.csv": ratings(f"7,1,4,{NOON}")})
    assert days.rules() == {2: "unknown_movie"}
    days.know("1")
    days.process(reason="the movie came")
    assert [row[:2] for row in days.kept()] == [("7", "1")]
    assert days.data.files(f"{NOT_INJECTED}/{DAY}") == ["manifest.json"]


def test_all_rows_of_an_unknown_client_are_refused_and_those_of_others_are_not(days: Days) -> None:
    files = {**FILES, "nobody/ratings.csv": GOOD + "\n7,1\n"}
    made = days.take(files)
    assert days.rules("nobody/ratings.csv") == dict.fromkeys((2, 3, 4, 6), "unknown_client")
    assert made.about["unknown_clients"] == ["nobody"]
    assert made.about["clients"]["nobody"]["rejected"] == {"unknown_client": 4}
    assert balanced(made) and days.kept() == KEPT
    assert not [entry for entry in made.files if entry.path.startswith("nobody")]


def test_a_client_is_known_in_any_case(days: Days) -> None:
    made = days.take({"movies.csv": MOVIES, "Acme/ratings.csv": GOOD})
    assert made.about["unknown_clients"] == [] and days.kept("Acme") == KEPT


def delete_user(days: Days, name: str) -> None:
    """Of acme's."""
    tombstone = "INSERT INTO tombstones (client_id, digest) VALUES (:client_id, :digest)"
    days.run(tombstone, client_id=days.acme, digest=external_digest(KEY, days.acme, name))


def test_of_a_deleted_user_nothing_is_kept(days: Days) -> None:
    delete_user(days, "hermione")
    lost = ratings(f"hermione,1,3.5,{NOON}", f"hermione,2,bad,{NOON}", f"7,1,4,{NOON}", "hermione,1,4")
    made = days.take(
        {"movies.csv": MOVIES, "acme/ratings.csv": lost, "bolt/ratings.csv": lost}, reject_limit=0.6
    )
    assert days.rules() == {2: "deleted_user", 3: "deleted_user", 5: "wrong_column_count"}
    assert {row["row"] + row["userId"] for row in days.refused()} == {""}
    assert [row[0] for row in days.kept()] == ["7"] and balanced(made)
    assert [row[0] for row in days.kept("bolt")] == ["7", "hermione"], (
        "another client's user of that name stays"
    )


# the limit

BAD = ratings(*(f"7,9,4,{NOON}" for _ in range(3)), f"7,1,4,{NOON}", f"7,1,bad,{NOON}")


def test_too_many_rejects_stop_the_day_with_the_reasons_counted(days: Days) -> None:
    with pytest.raises(
        Rejected, match="4 of 8 rows are refused, more than 49%: 3 x unknown_movie, 1 x bad_rating"
    ):
        days.take({"movies.csv": MOVIES, "acme/ratings.csv": BAD}, reject_limit=0.49)
    assert read_manifest(days.data, SEALED) is None
    listed = read_manifest(days.data, f"{NOT_INJECTED}/{DAY}")
    assert (
        listed and listed.about["stopped"] and listed.about["clients"]["acme"]["rejected"]["bad_rating"] == 1
    )
    assert len(days.refused()) == 4


def test_as_many_rejects_as_the_limit_pass(days: Days) -> None:
    days.take({"movies.csv": MOVIES, "acme/ratings.csv": BAD}, reject_limit=0.5)
    assert [row[:2] for row in days.kept()] == [("7", "1")]


def test_a_stopped_day_goes_on_with_a_reason_which_is_kept(days: Days) -> None:
    with pytest.raises(Rejected):
        days.take({"movies.csv": MOVIES, "acme/ratings.csv": BAD}, reject_limit=0.2)
    made = days.process(reject_limit=0.2, reason="a known fault")
    assert made.about["reason"] == "a known fault"
    assert days.process(reject_limit=0.2) == made
    days.data.delete(f"{SEALED}/acme/users-000.parquet")
    assert days.process(reject_limit=0.2) == made, "what is made again has its reason still"
    listed = read_manifest(days.data, f"{NOT_INJECTED}/{DAY}")
    assert listed and not listed.about["stopped"]


def test_deleted_users_and_superseded_rows_do_not_stop_a_day(days: Days) -> None:
    delete_user(days, "gone")
    rows = ratings(f"gone,1,4,{NOON}", f"7,1,4,{NOON}", f"7,1,4,{NOON}")
    made = days.take({"movies.csv": MOVIES, "acme/ratings.csv": rows}, reject_limit=0)
    assert made.about["clients"]["acme"]["rejected"] == {"deleted_user": 1}


@pytest.mark.parametrize(("path", "rows"), [("movies.csv", 4), ("acme/ratings.csv", 0)])
def test_a_file_with_other_rows_than_its_manifest_says_stops_the_day(
    days: Days, path: str, rows: int
) -> None:
    days.send(FILES)
    sealed = read_manifest(days.data, f"{INCOMING}/{DAY}")
    assert sealed
    entry = sealed.entry(path)
    assert entry
    seal_again(days.data, f"{INCOMING}/{DAY}", {path: replace(entry, rows=rows)})
    fetch(days.data, DAY, silent)
    with pytest.raises(Rejected, match=f"{path} has 3 rows, and its manifest says {rows}"):
        days.process()
    assert read_manifest(days.data, SEALED) is None
    assert days.process(reason="the sender counts otherwise").about["reason"] == "the sender counts otherwise"


# what a user's ratings say


def test_a_profile_is_the_share_of_liked_movies_with_each_genre(days: Days) -> None:
    rows = (f"7,1,4,{NOON}", f"7,2,5,{NOON}", f"7,3,1,{NOON}", f"8,2,2,{NOON}", f"9,3,5,{NOON}")
    made = days.take({**FILES, "acme/ratings.csv": ratings(*rows)})
    genres = made.about["genres"]
    found = {
        user: {genre: share for genre, share in zip(genres, profile, strict=True) if share}
        for user, _, profile, _ in days.users()
    }
    assert found == {
        "7": {"Action": 1.0, "Crime": 0.5, "Sci-Fi": 0.5},
        "8": {"Action": 1.0, "Sci-Fi": 1.0},  # likes nothing: all that was rated counts
        "9": {},
    }
    assert [row[1] for row in days.users()] == [3, 1, 1]
    assert {row[3] for row in days.users()} == {None}, "there is no champion yet"


def champion(days: Days, rank: int) -> Model:
    with transaction(days.engines.pipeline) as connection:
        catalogue = read_catalogue(connection)
    table = [
        (user, movie) for user in range(30) for movie in catalogue.movie_ids.tolist() if (user + movie) % 3
    ]
    users, movies = zip(*table, strict=True)
    model = fit_model(catalogue, users, movies, [4.0 + (user % 2) for user in users], Parameters(rank=rank))
    days.models.save(model)
    days.run(
        "INSERT INTO models (version, card, artifact_url) VALUES (:version, '{}', '')", version=model.version
    )
    days.run("UPDATE serving SET champion = :version", version=model.version)
    return model


def test_a_taste_is_the_champions_of_the_days_ratings(days: Days) -> None:
    days.know("1", "2", "4")
    model = champion(days, 2)
    rows = (f"7,1,4,{NOON}", f"7,2,5,{NOON - 5}", f"7,3,5,{NOON + 5}", f"8,4,3,{NOON}")
    made = days.take({**FILES, "acme/ratings.csv": ratings(*rows)})
    assert made.about["champion"] == model.version
    ids = dict(zip(("1", "2", "4"), model.movie_ids.tolist(), strict=True))
    histories = [History.of([ids["2"], ids["1"], 99], [5, 4, 5], [NOON - 5, NOON, NOON + 5])]
    histories.append(History.of([ids["4"]], [3], [NOON]))
    for (_, _, _, taste), history in zip(days.users(), histories, strict=True):
        np.testing.assert_allclose(taste, model.taste(history).vector, rtol=1e-5, atol=1e-6)


def test_a_rerun_takes_the_champion_of_the_first_try_unless_it_is_told_otherwise(days: Days) -> None:
    days.know("1", "2", "4")
    first = champion(days, 1)
    made = days.take(FILES)
    second = champion(days, 2)
    days.data.delete(f"{SEALED}/acme/ratings-000.parquet")
    assert days.process() == made, "a lost file is made again, as it was"
    days.data.delete(f"{SEALED}/manifest.json")
    assert days.process() == made, "as after a kill"
    assert days.process(champion=CURRENT).about["champion"] == second.version
    assert days.process().about["champion"] == second.version
    assert days.process(champion=first.version) == made


def test_a_champion_that_cannot_be_loaded_is_one_sentence(days: Days) -> None:
    days.know("1", "2", "4")
    days.models.delete(champion(days, 1).version)
    with pytest.raises(BadArtifact, match="cannot be read"):
        days.take(FILES)


# again, and again after a fall

MANY = ratings(*(f"u{n % 40},{1 + n // 40 % 4},{1 + n % 5},{NOON - n * 7 % 97}" for n in range(400)))
LARGE = {"movies.csv": MOVIES, "acme/ratings.csv": MANY, "nobody/ratings.csv": GOOD, "bolt/ratings.csv": GOOD}
SMALL_BLOCKS = 1600  # bytes: five blocks and parts of acme's file


def test_a_day_processed_twice_is_the_day_processed_once(days: Days) -> None:
    made = days.take(LARGE)
    once = days.contents()
    assert days.process() == made
    assert days.contents() == once
    assert days.process(reason="to see") != made, "a reason is kept, and nothing else is other"
    assert {path for path, content in days.contents().items() if once[path] != content} == {
        f"{SEALED}/manifest.json"
    }


def test_the_size_of_a_block_changes_neither_rows_nor_rejects(days: Days) -> None:
    days.take(LARGE)
    rows, refused = sorted(days.kept()), days.refused()
    made = days.process(block_bytes=SMALL_BLOCKS, reason="to see")
    parts = made.about["clients"]["acme"]["parts"]
    assert parts == 5 and balanced(made)
    assert sorted(days.kept(parts=parts)) == rows
    assert days.refused() == refused


def test_the_users_of_a_part_are_those_of_its_ratings_in_the_same_order(days: Days) -> None:
    days.take(LARGE, block_bytes=SMALL_BLOCKS)
    seen: set[str | None] = set()
    for part in range(5):
        ratings_file, users_file = (f"{SEALED}/acme/{name}-00{part}.parquet" for name in ("ratings", "users"))
        users = read_table(days.data, users_file).to_pylist()
        rated = read_table(days.data, ratings_file, ["external_id"]).column("external_id").to_pylist()
        assert [user["external_id"] for user in users] == list(dict.fromkeys(rated))
        assert sum(user["ratings"] for user in users) == len(rated)
        assert not seen & set(rated)
        seen |= set(rated)
    assert len(seen) == 40


def test_a_day_in_a_bucket_is_the_day_in_a_folder(days: Days, bucket: str) -> None:
    days.take(LARGE, block_bytes=SMALL_BLOCKS)
    there = replace(days, data=Store.at(bucket))
    there.take(LARGE, block_bytes=SMALL_BLOCKS)
    assert there.contents() == days.contents()


@pytest.mark.parametrize(
    "path", [f"{SEALED}/acme/users-000.parquet", f"{NOT_INJECTED}/{DAY}/nobody/ratings.csv"]
)
def test_a_damaged_file_is_made_again(days: Days, path: str) -> None:
    days.take(LARGE)
    once = days.contents()
    days.data.write(path, b"damaged")
    days.process()
    assert days.contents() == once
    days.data.delete(path.replace("acme/users-000.parquet", "manifest.json"))
    days.process()
    assert days.contents() == once


def test_a_list_that_a_person_mended_stays_when_the_day_is_processed_again(days: Days) -> None:
    days.take(LARGE)
    days.data.write(f"{NOT_INJECTED}/{DAY}/acme/mended.csv", b"mended")
    days.process(reason="to see")
    assert days.data.read(f"{NOT_INJECTED}/{DAY}/acme/mended.csv") == b"mended"


def test_what_an_earlier_try_left_over_is_removed(days: Days) -> None:
    made = days.take({**LARGE, "acme/ratings.csv": GOOD})
    alone = days.contents()
    more = days.process(champion=CURRENT, block_bytes=40)
    assert len(more.files) > len(made.files)
    days.process(champion=CURRENT)
    assert days.contents() == alone


_KILLED = """
import os, sys
from datetime import date
from pathlib import Path
from recommender.database import open_engine
from recommender.daily.fetching import fetch
from recommender.files import Store
from recommender.model_store import ModelStore
from recommender.daily.processing import process

url, folder, block, stage, at = sys.argv[1:]
seen = 0

def progress(name, done, total):
    global seen
    seen += name == stage
    if seen == int(at):
        os.kill(os.getpid(), 9)

data = Store.at(Path(folder, "data"))
fetch(data, date(2026, 1, 31), progress)
models = ModelStore.at(Path(folder, "models"), Path(folder, "cache"))
process(
    open_engine(url), data, models, "2026-01-31", reject_limit=1.0, tombstone_key="k" * 32,
    progress=progress, block_bytes=int(block),
)
"""


@pytest.mark.parametrize(
    ("stage", "at"), [("fetch", 2), ("acme: reading", 3), ("acme: writing", 2), ("bolt: writing", 1)]
)
def test_a_run_that_is_killed_leaves_nothing_sealed_and_the_next_makes_the_same_bytes(
    days: Days, urls: PerRole[str], tmp_path: Path, stage: str, at: int
) -> None:
    days.take(LARGE, block_bytes=SMALL_BLOCKS)
    once = days.contents()
    for folder in (RAW, PROCESSED, NOT_INJECTED):
        days.data.delete(folder)
    words = (urls.pipeline, str(tmp_path), str(SMALL_BLOCKS), stage, str(at))
    command = [sys.executable, "-c", _KILLED, *words]
    killed = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert killed.returncode == -signal.SIGKILL
    assert read_manifest(days.data, SEALED) is None
    fetch(days.data, DAY, silent)
    days.process(block_bytes=SMALL_BLOCKS)
    assert days.contents() == once


@pytest.mark.parametrize("size", [0, 1000, 3000, 6000])
def test_a_full_disk_is_one_sentence_and_the_retry_succeeds(days: Days, size: int) -> None:
    days.take(LARGE)
    once = days.contents()
    days.data.delete(PROCESSED)
    days.data.delete(NOT_INJECTED)
    with files_up_to(size), pytest.raises(Failed, match=r"cannot be .*: File too large\.$"):
        days.process()
    assert read_manifest(days.data, SEALED) is None
    days.process()
    assert days.contents() == once


def test_a_day_that_is_not_fetched_is_not_processed(days: Days) -> None:
    with pytest.raises(Failed, match="fetch the day first"):
        days.process()


def test_a_raw_file_that_changed_is_not_processed(days: Days) -> None:
    days.send(FILES)
    fetch(days.data, DAY, silent)
    days.data.write(f"{RAW}/{DAY}/acme/ratings.csv", GOOD.replace("4.5", "4.0").encode())
    with pytest.raises(BadInput, match=r"acme/ratings\.csv is not the file"):
        days.process()
    assert not days.data.exists(PROCESSED)


@pytest.mark.parametrize("content", [b"no gzip at all", packed(GOOD)[:-20]])
def test_a_packed_file_that_cannot_be_read_is_one_sentence(days: Days, content: bytes) -> None:
    with pytest.raises(MarqueeError, match=r"acme/ratings\.csv\.gz cannot be read"):
        days.take({"movies.csv": MOVIES, "acme/ratings.csv.gz": content})
    assert read_manifest(days.data, SEALED) is None


def test_the_inputs_are_written_before_anything_is_made_of_them(days: Days) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        days.take(FILES, progress=interrupt)
    inputs = json.loads(days.data.read(f"{SEALED}/{INPUTS}"))
    made = days.process()
    assert inputs == {name: made.about[name] for name in ("raw", "catalogue", "champion")}


def test_a_day_that_is_fetched_anew_while_it_is_processed_is_not_sealed(days: Days) -> None:
    def replaced(stage: str, done: int, total: int) -> None:
        if stage == "acme: writing":
            days.send({"acme/ratings.csv": ratings(f"7,1,1,{NOON}")})
            fetch(days.data, DAY, silent, "a corrected file")

    with pytest.raises(Failed, match="fetched again while it was processed: run process again"):
        days.take(FILES, progress=replaced)
    assert read_manifest(days.data, SEALED) is None
    days.process()
    assert [row[:3] for row in days.kept()] == [("7", "1", 1)]
