"""Rows out of files, without a database: what is recognised, what is read, what is refused and where."""

import gzip
from io import BytesIO
from pathlib import Path

import pytest

from recommender.errors import BadInput
from recommender.imports.movie_rows import FileMovie, MovieRows, read_movies
from recommender.imports.movielens import recognise
from recommender.imports.rating_rows import RatingReader, RatingRows
from recommender.imports.rows import KEPT, Rule, open_rows, read_blocks

NOW = 1_700_000_000
HEADER = "userId,movieId,rating,timestamp"
TITLES = "movieId,title,genres"


def write(folder: Path, **files: str | bytes) -> Path:
    """Names in Python's spelling: ratings_csv is ratings.csv."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


def movies_of(folder: Path) -> MovieRows:
    return read_movies(recognise(folder).movies, lambda _: None)


def by_line(rows: MovieRows | RatingRows) -> dict[int, str]:
    return {reject.line: reject.rule.value for reject in rows.rejects}


def ratings_of(folder: Path, gone: frozenset[str] = frozenset()) -> RatingRows:
    written = recognise(folder).ratings
    assert written is not None
    with open_rows(written.path) as (stream, _):
        (block,) = read_blocks(stream)
    columns = written.columns or written.read_header(block.text(0, written.encoding))
    reader = RatingReader(written, columns, {"1": 11, "2": 22}, NOW, lambda names: names & gone)
    return reader.read(block, skip=0 if written.columns else 1)


def tuples(rows: RatingRows) -> list[tuple[str, int, float, float, int]]:
    ratings = rows.ratings
    users = [ratings.external_ids[user] for user in ratings.users]
    numbers = (ratings.movie_ids, ratings.ratings, ratings.times, rows.lines)
    return list(zip(users, *(column.tolist() for column in numbers), strict=True))


def ratings_csv(folder: Path, *lines: str | bytes, header: str = HEADER, end: bytes = b"\n") -> Path:
    data = [line.encode() if isinstance(line, str) else line for line in (header, *lines)]
    return write(folder, movies_csv=TITLES, ratings_csv=end.join(data) + end)


# ratings

GOOD = "7,1,4.5,1600000000"
FAULTS: list[tuple[str | bytes, Rule]] = [
    ("7,1,4.5", Rule.WRONG_COLUMN_COUNT),
    ("7,1,4.5,1600000000,more", Rule.WRONG_COLUMN_COUNT),
    (b"\xff,1,4.5,1600000000", Rule.BAD_ENCODING),
    (b"7\0,1,4.5,1600000000", Rule.BAD_ENCODING),
    (" ,1,4.5,1600000000", Rule.BAD_USER),
    (f"{'u' * 201},1,4.5,1600000000", Rule.BAD_USER),
    ("gone,1,4.5,1600000000", Rule.DELETED_USER),
    ("7,3,4.5,1600000000", Rule.UNKNOWN_MOVIE),
    ("7,,4.5,1600000000", Rule.UNKNOWN_MOVIE),
    ("7,1,good,1600000000", Rule.BAD_RATING),
    ("7,1,,1600000000", Rule.BAD_RATING),
    ("7,1,nan,1600000000", Rule.BAD_RATING),
    ("7,1,inf,1600000000", Rule.BAD_RATING),
    ("7,1,0,1600000000", Rule.RATING_OFF_SCALE),
    ("7,1,5.5,1600000000", Rule.RATING_OFF_SCALE),
    ("7,1,-1,1600000000", Rule.RATING_OFF_SCALE),
    ("7,1,4.5,yesterday", Rule.BAD_TIMESTAMP),
    ("7,1,4.5,", Rule.BAD_TIMESTAMP),
    ("7,1,4.5,-1", Rule.BAD_TIMESTAMP),
    ("7,1,4.5,1700000001", Rule.FUTURE_TIMESTAMP),
    ("7,1,4.5,1600000000000", Rule.FUTURE_TIMESTAMP),
]


@pytest.mark.parametrize(("fault", "rule"), FAULTS, ids=[f"{rule}-{n}" for n, (_, rule) in enumerate(FAULTS)])
def test_a_planted_fault_is_listed_with_its_line_and_rule_and_its_neighbours_are_read(
    tmp_path: Path, fault: str | bytes, rule: Rule
) -> None:
    rows = ratings_of(ratings_csv(tmp_path, GOOD, fault, GOOD), frozenset({"gone"}))
    assert by_line(rows) == {3: rule}
    assert [row[-1] for row in tuples(rows)] == [2, 4]
    assert rows.read == 3


def test_all_faults_in_one_file_are_each_listed_on_their_own_line(tmp_path: Path) -> None:
    lines = [line for fault, _ in FAULTS for line in (GOOD, fault)]
    rows = ratings_of(ratings_csv(tmp_path, *lines), frozenset({"gone"}))
    assert by_line(rows) == {3 + 2 * n: rule for n, (_, rule) in enumerate(FAULTS)}
    assert {row[:4] for row in tuples(rows)} == {("7", 11, 4.5, 1_600_000_000.0)}
    assert len(tuples(rows)) == len(FAULTS)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (b"\xff,9", Rule.WRONG_COLUMN_COUNT),
        (",9,x,x", Rule.BAD_USER),
        ("gone,9,x,x", Rule.DELETED_USER),
        ("7,9,x,x", Rule.UNKNOWN_MOVIE),
        ("7,1,x,x", Rule.BAD_RATING),
        ("7,1,9,x", Rule.RATING_OFF_SCALE),
    ],
)
def test_a_row_that_breaks_several_rules_is_listed_with_the_first(
    tmp_path: Path, row: str | bytes, rule: Rule
) -> None:
    assert by_line(ratings_of(ratings_csv(tmp_path, row), frozenset({"gone"}))) == {2: rule}


def test_a_reject_holds_the_row_and_its_user(tmp_path: Path) -> None:
    rows = ratings_of(ratings_csv(tmp_path, "7,1,4.5,1600000000,", "ann,3,4,1", "x" * 600, GOOD))
    assert [(r.row, r.external_id) for r in rows.rejects] == [
        ("7,1,4.5,1600000000,", "7"),
        ("x" * KEPT, None),
        ("ann,3,4,1", "ann"),
    ]


def test_nothing_of_a_deleted_users_rows_is_kept_whatever_rule_they_break(tmp_path: Path) -> None:
    rows = ratings_of(ratings_csv(tmp_path, "gone,1,4", "gone,1,4,1", b"gone,1,4,\xff"), frozenset({"gone"}))
    assert [(r.row, r.external_id) for r in rows.rejects] == [("", None)] * 3


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        (HEADER, "u7,2,0.5,1"),
        ("userid,movieid,rating,timestamp", "u7,2,0.5,1"),
        ("TIMESTAMP, Rating ,MOVIEID,USERID", "1,.5, 2,u7 "),
        ("note,user_id,movie_id,rating,timestamp", "hm,u7,2,5e-1,1"),
        ('"userId","movieId","rating","timestamp"', '"u7","2","0.5","1"'),
    ],
)
def test_header_case_column_order_quotes_and_line_ends_do_not_matter(
    tmp_path: Path, header: str, row: str, mark: str, end: bytes
) -> None:
    folder = ratings_csv(tmp_path, row, header=mark + header, end=end)
    assert tuples(ratings_of(folder)) == [("u7", 22, 0.5, 1.0, 2)]


def test_commas_within_quotes_do_not_separate_and_a_quote_left_open_does_not_count(tmp_path: Path) -> None:
    rows = ratings_csv(tmp_path, '"7, or 8",1,4,1', '"9,2,5,1', "9,1,5,2", '"a","b",1,2,3', '7,2,"4",3')
    found = ratings_of(rows)
    assert [row[:2] + row[-1:] for row in tuples(found)] == [
        ("7, or 8", 11, 2),
        ("9", 22, 3),
        ("9", 11, 4),
        ("7", 22, 6),
    ]
    assert by_line(found) == {5: "wrong_column_count"}


def test_users_of_different_spelling_stay_different(tmp_path: Path) -> None:
    rows = ratings_of(ratings_csv(tmp_path, "1,1,4,1", "01,1,4,1", "1.0,1,4,1", "Zoë,1,4,1"))
    assert [row[0] for row in tuples(rows)] == ["1", "01", "1.0", "Zoë"]


def test_the_three_generations_of_a_row_are_the_same_rating(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("csv", "dat", "100k")]
    for folder in folders:
        folder.mkdir()
    ratings_csv(folders[0], "196,2,3,881250949")
    write(folders[1], movies_dat="1::Heat (1995)::Action", ratings_dat="196::2::3::881250949\n")
    write(folders[2], u_item="", u_genre="unknown|0\n", u_data="196\t2\t3\t881250949\n")
    found = [tuples(ratings_of(folder)) for folder in folders]
    assert [[row[:4] for row in rows] for rows in found] == [[("196", 22, 3.0, 881250949.0)]] * 3


def test_empty_lines_are_no_rows_and_still_count_as_lines(tmp_path: Path) -> None:
    rows = ratings_of(ratings_csv(tmp_path, "", GOOD, "", "7,3,4,1", ""))
    assert (rows.read, [row[-1] for row in tuples(rows)], by_line(rows)) == (2, [3], {5: "unknown_movie"})


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_and_their_numbers_do_not_depend_on_the_size_of_a_block(size: int, end: bytes) -> None:
    lines = [b"line %d" % n for n in range(1, 200)]
    blocks = list(read_blocks(BytesIO(b"\xef\xbb\xbf" + end.join(lines)), size))
    found = {block.first_line + n: block.raw(n) for block in blocks for n in range(len(block))}
    assert found == dict(enumerate(lines, start=1))


def test_a_file_without_lines_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(BadInput, match="more than 1,000,000 bytes"):
        list(read_blocks(BytesIO(b"x" * 3_000_000), 100_000))


# movies


def test_titles_with_commas_quotes_and_articles_are_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        movies_csv='movieId,title,genres\r\n1,"Matrix, The (1999)",Action|Sci-Fi\r\n'
        '2,"""Great Performances"" Cats (1998)",Musical\r\n3,Amélie,(no genres listed)\r\n',
    )
    assert movies_of(tmp_path).movies == (
        FileMovie(2, "1", "The Matrix", 1999, "movie", ("Action", "Sci-Fi")),
        FileMovie(3, "2", '"Great Performances" Cats', 1998, "movie", ("Musical",)),
        FileMovie(4, "3", "Amélie", None, "movie", ()),
    )


def test_a_type_says_movie_or_show_and_without_one_it_is_a_movie(tmp_path: Path) -> None:
    kinds = ("show", "", "Movie", "clip")
    rows = "".join(f"{n},Film {n} (1995),Crime,{kind}\n" for n, kind in enumerate(kinds))
    read = movies_of(write(tmp_path, movies_csv="movieId,title,genres,type\n" + rows))
    assert [movie.kind for movie in read.movies] == ["show", "movie", "movie"]
    assert by_line(read) == {5: "bad_kind"}


MOVIE_FAULTS: list[tuple[str | bytes, Rule]] = [
    ("5,Heat (1995)", Rule.WRONG_COLUMN_COUNT),
    ("5,Heat, (1995),Crime", Rule.WRONG_COLUMN_COUNT),
    ('5,"Heat (1995),Crime', Rule.WRONG_COLUMN_COUNT),
    (b"5,Am\xe9lie (2001),Comedy", Rule.BAD_ENCODING),
    (b"5,Heat\0 (1995),Crime", Rule.BAD_ENCODING),
    (",Heat (1995),Crime", Rule.BAD_MOVIE_ID),
    (f"{'5' * 201},Heat (1995),Crime", Rule.BAD_MOVIE_ID),
    ("1,Heat (1995),Crime", Rule.DUPLICATE_MOVIE),
    ("5, ,Crime", Rule.NO_TITLE),
    ("5,(1995),Crime", Rule.NO_TITLE),
    ("5,Heat (1500),Crime", Rule.BAD_YEAR),
    ("5,Heat (2101),Crime", Rule.BAD_YEAR),
]


@pytest.mark.parametrize(("fault", "rule"), MOVIE_FAULTS)
def test_a_planted_fault_among_movies_is_listed_and_its_neighbours_are_read(
    tmp_path: Path, fault: str | bytes, rule: Rule
) -> None:
    first, last = b"movieId,title,genres\n1,Jaws (1975),Horror\n", b"\n2,Ran (1985),War\n"
    read = movies_of(
        write(tmp_path, movies_csv=first + (fault.encode() if isinstance(fault, str) else fault) + last)
    )
    assert by_line(read) == {3: rule}
    assert [movie.source_id for movie in read.movies] == ["1", "2"]
    assert read.read == 3


def test_flags_of_the_first_generation_are_genres_and_its_text_is_latin_1(tmp_path: Path) -> None:
    names = ["unknown", "Action", "Children's", "War"]
    genres = "".join(f"{name}|{n}\n" for n, name in enumerate(names))
    row = "3|Misérables, Les (1995)|01-Jan-1995||http://x|0|1|1|0\n".encode("latin-1")
    read = movies_of(write(tmp_path, u_item=row, u_genre=genres))
    assert read.movies == (FileMovie(1, "3", "Les Misérables", 1995, "movie", ("Action", "Children")),)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_the_second_generation_is_read_in_either_of_its_encodings(tmp_path: Path, encoding: str) -> None:
    row = "73::Misérables, Les (1995)::Drama|Musical\n".encode(encoding)
    (movie,) = movies_of(write(tmp_path, movies_dat=row)).movies
    assert (movie.title, movie.genres) == ("Les Misérables", ("Drama", "Musical"))


def test_ml_10m_is_known_by_its_tags_and_one_bad_byte_spoils_one_row(tmp_path: Path) -> None:
    rows = b"1::Am\xc3\xa9lie (2001)::Comedy\n2::Am\xe9lie (2001)::Comedy\n"
    read = movies_of(write(tmp_path, movies_dat=rows, tags_dat=""))
    assert ([movie.title for movie in read.movies], by_line(read)) == (["Amélie"], {2: "bad_encoding"})


def test_a_packed_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "movies.csv.gz").write_bytes(gzip.compress(b"movieId,title,genres\n1,Jaws (1975),Horror\n"))
    assert [movie.title for movie in movies_of(tmp_path).movies] == ["Jaws"]


# folders that are refused


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere is not a folder"):
        recognise(tmp_path / "nowhere")


def test_a_folder_of_something_else_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"movies\.csv and ratings\.csv, movies\.dat .* u\.item and u\.data"):
        recognise(write(tmp_path, films_csv="1,Jaws"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"ratings_csv": HEADER}, "has ratings.csv and no movies.csv"),
        ({"u_item": ""}, "no u.genre"),
        ({"movies_csv": ""}, "is empty"),
        ({"movies_csv": "1,Jaws (1975),Horror\n"}, "names no column movieid and no title and no genres"),
        ({"movies_csv_gz": "not packed"}, "cannot be read"),
    ],
)
def test_what_is_missing_or_damaged_is_named(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        movies_of(write(tmp_path, **files))
