"""Whole folders into a real Postgres."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from recommender.errors import BadInput, Failed, NotFound
from recommender.imports.importing import ImportReport, import_folder
from recommender.imports.rows import Rule
from recommender.local.urls import PerRole
from recommender.progress import Progress
from recommender.tables import metadata
from recommender.tombstones import external_digest

Engines = PerRole[Engine]
NOW = datetime(2024, 1, 1, tzinfo=UTC)
KEY = "k" * 32
TITLES = {"1": "Heat (1995)", "2": "Matrix, The (1999)", "3": "Amélie (2001)"}
RATINGS = [("7", "1", 4, 100), ("7", "2", 5, 200), ("8", "1", 3, 300), ("zoë", "3", 1, 400)]
Row = tuple[str, str, float, object]


@pytest.fixture(autouse=True)
def clients(engines: Engines) -> dict[str, int]:
    register = text("SELECT register_client(:name, :name, :name || '@example.org', 'hash')")
    with engines.api.begin() as connection:
        return {name: connection.scalar(register, {"name": name}) or 0 for name in ("acme", "bolt", "coda")}


def in_csv(folder: Path, titles: Mapping[str, str] = TITLES, ratings: list[Row] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    movies = "".join(f'{name},"{title}",Drama|War\n' for name, title in titles.items())
    (folder / "movies.csv").write_text("movieId,title,genres\n" + movies, encoding="utf-8")
    marks = "".join(",".join(map(str, row)) + "\n" for row in (RATINGS if ratings is None else ratings))
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + marks, encoding="utf-8")
    return folder


def in_dat(folder: Path) -> Path:
    folder.mkdir()
    movies = "".join(f"{name}::{title}::Drama|War\n" for name, title in TITLES.items())
    marks = "".join("::".join(map(str, row)) + "\n" for row in RATINGS)
    (folder / "movies.dat").write_text(movies, encoding="latin-1")
    (folder / "ratings.dat").write_text(marks, encoding="latin-1")
    return folder


def in_100k(folder: Path) -> Path:
    folder.mkdir()
    movies = "".join(f"{name}|{title}|01-Jan-1995||http://x|0|1|1\n" for name, title in TITLES.items())
    marks = "".join("\t".join(map(str, row)) + "\n" for row in RATINGS)
    (folder / "u.genre").write_text("unknown|0\nDrama|1\nWar|2\n\n")
    (folder / "u.item").write_text(movies, encoding="latin-1")
    (folder / "u.data").write_text(marks, encoding="latin-1")
    return folder


def take_in(
    engines: Engines, folder: Path, source: str = "ml", client: str | None = "acme", **options: Any
) -> ImportReport:
    return import_folder(
        engines.pipeline, folder, source=source, client=client, now=NOW, tombstone_key=KEY, **options
    )


def select(engines: Engines, query: str, **values: object) -> list[tuple[Any, ...]]:
    with engines.admin.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def execute(engines: Engines, statement: str, **values: object) -> None:
    with engines.admin.begin() as connection:
        connection.execute(text(statement), values)


def everything(engines: Engines) -> dict[str, list[str]]:
    """Every row of every table as text, with its ids and times."""
    queries = {name: f"SELECT * FROM {name}" for name in metadata.tables}
    return {name: sorted(map(repr, select(engines, query))) for name, query in queries.items()}


def ratings_of(engines: Engines, client: str = "acme") -> list[tuple[Any, ...]]:
    return select(
        engines,
        "SELECT external_id, title, rating, extract(epoch FROM rated_at)::int FROM movies_users_rating r"
        " JOIN users USING (user_id) JOIN clients c ON c.client_id = r.client_id JOIN movies USING (movie_id)"
        " WHERE username = :client ORDER BY 1, 2",
        client=client,
    )


def titles(engines: Engines, source: str) -> list[tuple[Any, ...]]:
    return select(
        engines,
        "SELECT source_id, movie_id, title, year FROM movies JOIN movie_sources USING (movie_id)"
        " WHERE source = :source ORDER BY source_id::int",
        source=source,
    )


def genres(engines: Engines, title: str) -> list[str]:
    query = "SELECT name FROM genres JOIN movie_genres USING (genre_id) JOIN movies USING (movie_id)"
    return [name for (name,) in select(engines, f"{query} WHERE title = :title ORDER BY 1", title=title)]


def revision(engines: Engines) -> int:
    return int(select(engines, "SELECT catalogue_revision FROM serving")[0][0])


def test_folders_of_all_generations_give_the_same_rows_and_the_same_movies(
    engines: Engines, tmp_path: Path
) -> None:
    makers = {"acme": in_csv, "bolt": in_dat, "coda": in_100k}
    reports = [take_in(engines, make(tmp_path / name), name, name) for name, make in makers.items()]
    assert ratings_of(engines) == [
        ("7", "Heat", 4.0, 100),
        ("7", "The Matrix", 5.0, 200),
        ("8", "Heat", 3.0, 300),
        ("zoë", "Amélie", 1.0, 400),
    ]
    assert ratings_of(engines) == ratings_of(engines, "bolt") == ratings_of(engines, "coda")
    assert [(r.movies.new, r.movies.matched) for r in reports] == [(3, 0), (0, 3), (0, 3)]
    assert select(engines, "SELECT title, ratings_count FROM movies ORDER BY 1") == [
        ("Amélie", 3),
        ("Heat", 6),
        ("The Matrix", 3),
    ]
    assert genres(engines, "Heat") == ["Drama", "War"]


FAULTS: list[Row] = [
    ("7", "1", 2, 90),  # the same user and movie, earlier than the good one
    ("7", "9", 4, 1),
    ("9", "1", 0, 1),
    ("9", "1", 5, "soon"),
    ("", "1", 5, 1),
    ("7", "3", 5, int(NOW.timestamp()) + 1),
]
LISTED = {
    (6, "duplicate", "7", "7,1,2,90"),
    (7, "unknown_movie", "7", "7,9,4,1"),
    (8, "rating_off_scale", "9", "9,1,0,1"),
    (9, "bad_timestamp", "9", "9,1,5,soon"),
    (10, "bad_user", None, ",1,5,1"),
    (11, "future_timestamp", "7", "7,3,5,1704067201"),
}


def test_each_planted_fault_is_listed_with_file_line_and_rule_and_the_rest_is_loaded(
    engines: Engines, tmp_path: Path
) -> None:
    folder = in_csv(tmp_path / "a", {**TITLES, "4": " (1990)"}, RATINGS + FAULTS)
    report = take_in(engines, folder)
    found = list(report.rejects(engines.pipeline))
    assert {(r.line, r.rule, r.external_id, r.row) for r in found if r.file == "ratings.csv"} == LISTED
    assert (found[0].file, found[0].line, found[0].rule) == ("movies.csv", 5, Rule.NO_TITLE)
    assert report.rejected == {Rule.NO_TITLE: 1, **{Rule(rule): 1 for _, rule, _, _ in LISTED}}
    assert len(ratings_of(engines)) == len(RATINGS)
    assert select(engines, "SELECT file, count(*) FROM rejects GROUP BY file ORDER BY file") == [
        ("movies.csv", 1),
        ("ratings.csv", len(LISTED)),
    ]


def test_rows_read_are_loaded_superseded_or_rejected(engines: Engines, tmp_path: Path) -> None:
    take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 1, 5000)]))
    report = take_in(engines, in_csv(tmp_path / "a", ratings=RATINGS + FAULTS))
    assert report.ratings is not None
    counts = (report.ratings.loaded, report.ratings.unchanged, report.ratings.superseded)
    assert (report.ratings.read, *counts, report.ratings.rejected.total()) == (10, 3, 0, 1, 6)
    stored = "SELECT rows_read, rows_loaded, rows_superseded, rows_rejected FROM injections"
    assert select(engines, f"{stored} WHERE file = 'ratings.csv'") == [(10, 3, 1, 6)]


def test_a_folder_taken_in_twice_is_the_folder_taken_in_once(engines: Engines, tmp_path: Path) -> None:
    take_in(engines, in_csv(tmp_path / "b", {"9": "Heat (1995)"}, []), "starter")
    folder = in_csv(tmp_path / "a", {**TITLES, "4": "", "5": "Ran"}, RATINGS + FAULTS)
    take_in(engines, folder)
    once = everything(engines)
    report = take_in(engines, folder)
    assert everything(engines) == once
    assert (report.movies.unchanged, report.movies.new, report.movies.updated) == (4, 0, 0)
    assert report.ratings is not None
    assert (report.ratings.loaded, report.ratings.unchanged, report.ratings.new_users) == (0, 4, 0)


def test_the_size_of_a_block_changes_nothing(engines: Engines, tmp_path: Path) -> None:
    folder = in_csv(tmp_path / "a", ratings=RATINGS + FAULTS)
    take_in(engines, folder)
    once = everything(engines)
    take_in(engines, folder, block_bytes=1)
    assert everything(engines) == once
    take_in(engines, folder, client="bolt", block_bytes=1)
    assert ratings_of(engines, "bolt") == ratings_of(engines)


def test_what_was_killed_half_way_is_done_by_the_next_run(engines: Engines, tmp_path: Path) -> None:
    folder = in_csv(tmp_path / "a", ratings=RATINGS + FAULTS)
    with pytest.raises(KeyboardInterrupt):
        take_in(engines, folder, progress=_at("users", _interrupt))
    assert (len(titles(engines, "ml")), ratings_of(engines)) == (3, [])
    assert select(engines, "SELECT count(*) FROM users") == [(0,)]
    take_in(engines, folder)
    assert len(ratings_of(engines)) == len(RATINGS)


def _at(wanted: str, act: Any) -> Progress:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == wanted:
            act()

    return progress


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_progress_ends_at_its_total(engines: Engines, tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    take_in(engines, in_csv(tmp_path / "a"), progress=lambda stage, *done: seen.update({stage: done}))
    assert {stage: done == total for stage, (done, total) in seen.items()} == dict.fromkeys(
        ("movies", "ratings", "duplicates", "users"), True
    )


# movies


def test_two_rows_of_one_title_and_year_stay_two_movies(engines: Engines, tmp_path: Path) -> None:
    pair = {"1": "Emma (1996)", "2": "Emma (1996)"}
    take_in(engines, in_csv(tmp_path / "a", {"7": "Emma (1996)"}, []), "first")
    report = take_in(engines, in_csv(tmp_path / "b", pair, []), "second")
    ((_, known, _, _),) = titles(engines, "first")
    found = [movie_id for _, movie_id, _, _ in titles(engines, "second")]
    assert (report.movies.matched, report.movies.new) == (1, 1)
    assert found[0] == known != found[1]


def test_a_title_that_fits_several_movies_of_other_sources_is_a_new_movie(
    engines: Engines, tmp_path: Path
) -> None:
    take_in(engines, in_csv(tmp_path / "a", {"1": "Emma (1996)", "2": "Emma (1996)"}, []), "first")
    assert take_in(engines, in_csv(tmp_path / "b", {"1": "Emma (1996)"}, []), "second").movies.new == 1


@pytest.mark.parametrize(
    ("known", "incoming", "matched"),
    [
        ("The Matrix (1999)", "MATRIX, The (1999)", 1),
        ("Seven (1995)", "Seven (a.k.a. Se7en) (1995)", 1),
        ("Amélie (2001)", "Amelie! (2001)", 1),
        ("Babylon 5", "Babylon 5", 1),
        ("Heat (1995)", "Heat (1986)", 0),
        ("Heat (1995)", "Heat", 0),
        ("Heat (1995)", "Heats (1995)", 0),
    ],
)
def test_titles_match_across_sources_by_normal_form_and_year(
    engines: Engines, tmp_path: Path, known: str, incoming: str, matched: int
) -> None:
    take_in(engines, in_csv(tmp_path / "a", {"1": known}, []), "first")
    assert take_in(engines, in_csv(tmp_path / "b", {"1": incoming}, []), "second").movies.matched == matched
    same = titles(engines, "first")[0][1] == titles(engines, "second")[0][1]
    assert same == bool(matched)


def test_clashing_numbers_of_two_sources_are_two_movies(engines: Engines, tmp_path: Path) -> None:
    take_in(engines, in_csv(tmp_path / "a", {"1": "Heat (1995)"}, [("7", "1", 5, 1)]), "first")
    take_in(engines, in_csv(tmp_path / "b", {"1": "Ran (1985)"}, [("7", "1", 3, 1)]), "second")
    assert ratings_of(engines) == [("7", "Heat", 5.0, 1), ("7", "Ran", 3.0, 1)]


def test_new_movies_keep_the_titles_of_their_own_rows(engines: Engines, tmp_path: Path) -> None:
    many = {str(n): f"Film {(n * 7919) % 3001} (1999)" for n in range(3000)}
    take_in(engines, in_csv(tmp_path / "a", many, []))
    assert {number: f"{title} (1999)" for number, _, title, _ in titles(engines, "ml")} == many


def test_a_changed_row_changes_its_movie_and_the_revision_once(engines: Engines, tmp_path: Path) -> None:
    take_in(engines, in_csv(tmp_path / "a", {"1": "Heat (1994)"}, []))
    before = revision(engines)
    folder = in_csv(tmp_path / "a", {"1": "Heat! (1995)"}, [])
    (folder / "movies.csv").write_text("movieId,title,genres,type\n1,Heat! (1995),War|Heist,show\n")
    assert (take_in(engines, folder).movies.updated, take_in(engines, folder).movies.updated) == (1, 0)
    query = "SELECT title, title_key, year, kind FROM movies"
    assert select(engines, query) == [("Heat!", "heat", 1995, "show")]
    assert genres(engines, "Heat!") == ["Heist", "War"]
    assert revision(engines) == before + 1


def test_a_matched_movie_keeps_what_its_first_source_said(engines: Engines, tmp_path: Path) -> None:
    take_in(engines, in_csv(tmp_path / "a", {"1": "Heat (1995)"}, []), "first")
    folder = in_csv(tmp_path / "b", {"9": "HEAT (1995)"}, [])
    (folder / "movies.csv").write_text("movieId,title,genres\n9,HEAT (1995),Western\n")
    for _ in range(2):
        take_in(engines, folder, "second")
    assert titles(engines, "second") == [("9", titles(engines, "first")[0][1], "Heat", 1995)]
    assert genres(engines, "Heat") == ["Drama", "War"]


# ratings


@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        ((4, 200), (2, 100), (4.0, 200)),
        ((4, 200), (2, 300), (2.0, 300)),
        ((4, 200), (2, 200), (2.0, 200)),
        ((4, 200), (4, 300), (4.0, 300)),
    ],
)
def test_the_later_rating_stands(
    engines: Engines, tmp_path: Path, first: tuple[int, int], then: tuple[int, int], stands: tuple[float, int]
) -> None:
    for mark in (first, then):
        take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", *mark)]))
    assert [row[2:] for row in ratings_of(engines)] == [stands]


def test_of_two_ratings_in_one_file_the_later_wins_and_on_a_tie_the_later_line(
    engines: Engines, tmp_path: Path
) -> None:
    rows: list[Row] = [("7", "1", 1, 900), ("7", "1", 2, 100), ("8", "1", 3, 50), ("8", "1", 4, 50)]
    for block_bytes in (1, 10_000):
        report = take_in(engines, in_csv(tmp_path / "a", ratings=rows), block_bytes=block_bytes)
        assert ratings_of(engines) == [("7", "Heat", 1.0, 900), ("8", "Heat", 4.0, 50)]
        found = [(r.line, r.rule, r.row) for r in report.rejects(engines.pipeline)]
        assert found == [(3, "duplicate", "7,1,2,100"), (4, "duplicate", "8,1,3,50")]


def test_a_rating_replaces_a_like_of_the_same_time(engines: Engines, tmp_path: Path) -> None:
    folder = in_csv(tmp_path / "a", ratings=[("7", "1", 4, 100)])
    take_in(engines, folder)
    execute(engines, "UPDATE movies_users_rating SET implied = true")
    take_in(engines, folder)
    assert select(engines, "SELECT rating, implied FROM movies_users_rating") == [(4.0, False)]


@pytest.mark.parametrize(("received", "stands"), [(99, 4.0), (100, 2.0), (101, 2.0)])
def test_a_rating_without_a_time_is_as_old_as_its_receipt(
    engines: Engines, tmp_path: Path, received: int, stands: float
) -> None:
    folder = in_csv(tmp_path / "a", ratings=[("7", "1", 4, 100)])
    take_in(engines, folder)
    forget = (
        "UPDATE movies_users_rating SET rated_at = NULL, rating = 2, received_at = to_timestamp(:received)"
    )
    execute(engines, forget, received=received)
    report = take_in(engines, folder)
    assert select(engines, "SELECT rating FROM movies_users_rating") == [(stands,)]
    assert report.ratings is not None
    assert (report.ratings.loaded, report.ratings.superseded) == ((1, 0) if stands == 4 else (0, 1))


def test_a_user_whose_rows_are_all_refused_is_not_made(engines: Engines, tmp_path: Path) -> None:
    report = take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 4, 1), ("9", "1", 9, 1)]))
    assert select(engines, "SELECT external_id FROM users") == [("7",)]
    assert report.ratings is not None
    assert report.ratings.new_users == 1


def test_one_clients_users_are_not_anothers(engines: Engines, tmp_path: Path) -> None:
    folder = in_csv(tmp_path / "a")
    take_in(engines, folder)
    before = ratings_of(engines)
    take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 1, 9000)]), client="bolt")
    assert ratings_of(engines) == before
    assert ratings_of(engines, "bolt") == [("7", "Heat", 1.0, 9000)]


def test_a_first_line_may_be_longer_than_what_is_kept_of_a_row(engines: Engines, tmp_path: Path) -> None:
    folder = in_csv(tmp_path / "a", ratings=[])
    wide = "x" * 600
    (folder / "ratings.csv").write_text(f"{wide},userId,movieId,rating,timestamp\n{wide},7,1,4,1\n")
    take_in(engines, folder)
    assert select(engines, "SELECT external_id FROM users") == [("7",)]


def test_odd_names_of_users_survive_the_copy(engines: Engines, tmp_path: Path) -> None:
    names = ["a\\b", "tab\there", r"\N", "it's", "日本"]
    folder = in_csv(tmp_path / "a", ratings=[])
    rows = "".join(f"{name},1,4,1\n" for name in names)
    (folder / "ratings.csv").write_bytes(b"userId,movieId,rating,timestamp\n" + rows.encode())
    take_in(engines, folder)
    assert {name for (name,) in select(engines, "SELECT external_id FROM users")} == set(names)


def test_a_taste_vector_is_dropped_only_where_ratings_changed(engines: Engines, tmp_path: Path) -> None:
    take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 4, 1), ("8", "1", 4, 1)]))
    execute(engines, "INSERT INTO models (version, card, artifact_url) VALUES ('v', '{}', 'x')")
    execute(engines, "UPDATE users SET taste = '[1,2]', space = 'v'")
    take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 4, 1), ("8", "1", 5, 2)]))
    assert select(engines, "SELECT external_id, space FROM users ORDER BY 1") == [("7", "v"), ("8", None)]


def test_who_is_folding_a_user_can_see_that_the_history_changed(engines: Engines, tmp_path: Path) -> None:
    query = "SELECT external_id, updated_at FROM users ORDER BY 1"
    take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 4, 1), ("8", "1", 4, 1)]))
    before = dict(select(engines, query))
    take_in(engines, in_csv(tmp_path / "a", ratings=[("7", "1", 4, 1), ("8", "1", 5, 2)]))
    after = dict(select(engines, query))
    assert [before[name] == after[name] for name in ("7", "8")] == [True, False]


# deleted users


def bury(engines: Engines, client_id: int, external_id: str) -> None:
    digest = external_digest(KEY, client_id, external_id)
    execute(engines, "INSERT INTO tombstones (client_id, digest) VALUES (:c, :d)", c=client_id, d=digest)


def test_a_deleted_user_is_not_brought_back_and_no_row_keeps_the_name(
    engines: Engines, tmp_path: Path, clients: dict[str, int]
) -> None:
    bury(engines, clients["acme"], "zoë")
    folder = in_csv(tmp_path / "a", ratings=[*RATINGS, ("zoë", "9", 4, 1), ("zoë", "1", 4, "")])
    report = take_in(engines, folder, block_bytes=40)
    found = [(r.line, r.rule, r.row, r.external_id) for r in report.rejects(engines.pipeline)]
    assert found == [(line, Rule.DELETED_USER, "", None) for line in (5, 6, 7)]
    assert "zoë" not in repr(everything(engines))
    take_in(engines, folder, client="bolt")
    assert len(ratings_of(engines, "bolt")) == len(RATINGS)


def test_a_user_deleted_while_the_file_is_read_is_not_brought_back(
    engines: Engines, tmp_path: Path, clients: dict[str, int]
) -> None:
    folder = in_csv(tmp_path / "a")
    with pytest.raises(Failed, match="run the import again"):
        take_in(engines, folder, progress=_at("ratings", lambda: bury(engines, clients["acme"], "8")))
    take_in(engines, folder)
    assert {user for user, *_ in ratings_of(engines)} == {"7", "zoë"}


# what is asked wrongly


def test_ratings_want_a_client_and_a_catalogue_alone_does_not(engines: Engines, tmp_path: Path) -> None:
    folder = in_csv(tmp_path / "a")
    with pytest.raises(BadInput, match="say which client"):
        take_in(engines, folder, client=None)
    (folder / "ratings.csv").unlink()
    report = take_in(engines, folder, client=None)
    assert (report.movies.new, report.ratings) == (3, None)


def test_an_unknown_client_is_named_and_nothing_is_loaded(engines: Engines, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        take_in(engines, in_csv(tmp_path / "a"), client="nobody")
    assert titles(engines, "ml") == []


def test_a_folder_that_is_not_there_is_bad_input(engines: Engines, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a folder"):
        take_in(engines, tmp_path / "nowhere")
