"""Rows kept aside and put in order: each user in one part, each pair once, one part in memory."""

from pathlib import Path

import numpy as np
import pytest

from recommender.daily.partitioning import Aside, Part, part_of, parts_for
from recommender.errors import Failed
from recommender.imports.rating_rows import RatingRows, Ratings
from recommender.imports.rows import BLOCK_BYTES
from tests.recommender.incoming import files_up_to

Row = tuple[str, int, float, float, int]  # user, movie, rating, time, line


def in_block(rows: list[Row]) -> RatingRows:
    users, movies, marks, times, lines = zip(*rows, strict=True)
    names = sorted(set(users), reverse=True)
    codes = np.array([names.index(user) for user in users])
    found = Ratings(names, codes, np.array(movies), np.array(marks), np.array(times, np.float64))
    return RatingRows(len(rows), found, np.array(lines), [])


def rows_of(part: Part) -> list[Row]:
    names = part.external_ids.to_pylist()
    users = [names[user] for user in part.users]
    numbers = (part.movies, part.ratings, part.times, part.lines)
    return list(zip(users, *(column.tolist() for column in numbers), strict=True))


def some_rows(count: int, users: int, movies: int = 40) -> list[Row]:
    rng = np.random.default_rng(3)
    table = rng.integers(0, [users, movies, 10, 50], (count, 4)).tolist()
    return [(f"u{user}", movie, mark / 2, time, line) for line, (user, movie, mark, time) in enumerate(table)]


def apart(rows: list[Row], parts: int, block: int, folder: Path) -> list[Part]:
    with Aside(parts, folder) as aside:
        for start in range(0, len(rows), block):
            aside.add(in_block(rows[start : start + block]))
        return [aside.part(number) for number in range(parts)]


def test_of_each_pair_the_latest_stays_and_of_equal_times_the_later_line(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("b", 2, 1.0, 50, 2),
        ("b", 2, 2.0, 70, 3),
        ("b", 2, 3.0, 60, 4),
        ("a", 2, 4.0, 70, 5),
        ("b", 1, 0.5, 10, 6),
        ("b", 1, 4.5, 10, 7),
    ]
    (part,) = apart(rows, 1, 4, tmp_path)
    assert rows_of(part) == [("a", 2, 4.0, 70, 5), ("b", 1, 4.5, 10, 7), ("b", 2, 2.0, 70, 3)]
    assert (part.superseded, part.starts.tolist()) == (3, [0, 1, 3])


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("block", [1, 100, 5000])
def test_neither_parts_nor_blocks_change_what_stays(tmp_path: Path, parts: int, block: int) -> None:
    rows = some_rows(600, users=60)
    last = {row[:2]: row for row in sorted(rows, key=lambda row: (row[3], row[4]))}
    found = apart(rows, parts, block, tmp_path)
    assert sorted(row for part in found for row in rows_of(part)) == sorted(last.values())
    assert sum(part.superseded for part in found) == len(rows) - len(last)


def test_a_user_is_in_one_part_and_every_part_is_in_order(tmp_path: Path) -> None:
    found = apart(some_rows(3000, users=500), 8, 700, tmp_path)
    for number, part in enumerate(found):
        rows = rows_of(part)
        assert rows == sorted(rows, key=lambda row: (row[0].encode(), row[1]))
        assert {part_of(str(name), 8) for name in part.external_ids.to_pylist()} == {number}


def test_names_are_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    names = ["b", "B", "é", "ab", "a", "日本", "\U0001f3ac", "10", "9"]
    (part,) = apart([(name, 1, 4.0, 1, line) for line, name in enumerate(names)], 1, 4, tmp_path)
    assert part.external_ids.to_pylist() == sorted(names, key=str.encode)


def test_a_part_is_as_large_for_a_large_day_as_for_a_small_one() -> None:
    assert parts_for(1, False) == parts_for(BLOCK_BYTES, False) == 1
    for size in (2 * BLOCK_BYTES, 20 * BLOCK_BYTES, 2000 * BLOCK_BYTES + 1):
        assert BLOCK_BYTES * 0.99 < size / parts_for(size, False) <= BLOCK_BYTES
    assert parts_for(BLOCK_BYTES, True) == 4


def test_users_spread_evenly() -> None:
    counts = np.bincount([part_of(str(user), 20) for user in range(20_000)], minlength=20)
    assert counts.min() > 900 and counts.max() < 1100


def test_a_part_that_nobody_is_in_is_empty(tmp_path: Path) -> None:
    found = apart([("only", 1, 4.0, 1, 2)], 3, 1, tmp_path)
    assert sorted(len(part) for part in found) == [0, 0, 1]


def test_nothing_is_left_in_the_folder_even_while_rows_are_kept_there(tmp_path: Path) -> None:
    with Aside(3, tmp_path) as aside:
        aside.add(in_block(some_rows(600, users=60)))
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with (
        Aside(1, tmp_path) as aside,
        files_up_to(4096),
        pytest.raises(Failed, match=r"kept aside in .* too large"),
    ):
        aside.add(in_block(some_rows(3000, users=60)))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"kept aside in .*: No such file"):
        Aside(1, tmp_path / "missing")
