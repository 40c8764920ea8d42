import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recommender.bench.folders import Data, read_folder
from recommender.errors import BadInput

MOVIES = 'movieId,title,genres\n7,"Matrix, The (1999)",Action|Sci-Fi\n30,Heat (1995),(no genres listed)\n'
ROWS = ((12, 30, 4.0, 50), (3, 7, 5.0, 10), (3, 30, 2.5, 20), (3, 7, 1.0, 30))  # the last is the later one


def _csv(folder: Path, *, packed: bool = False) -> Path:
    (folder / "movies.csv").write_text(MOVIES)
    text = "userId,movieId,rating,timestamp\n" + "".join("{},{},{},{}\n".format(*row) for row in ROWS)
    if packed:
        (folder / "ratings.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "ratings.csv").write_text(text)
    return folder


def _dat(folder: Path) -> Path:
    (folder / "movies.dat").write_text("7::Matrix, The (1999)::Action|Sci-Fi\n30::Heat (1995)::\n")
    (folder / "ratings.dat").write_text("".join("{}::{}::{}::{}\n".format(*row) for row in ROWS))
    return folder


def _hundred_k(folder: Path) -> Path:
    (folder / "u.genre").write_text("unknown|0\nAction|1\nSci-Fi|2\n")
    (folder / "u.item").write_text("7|Matrix, The (1999)|||x|0|1|1\n30|Heat (1995)|||x|1|0|0\n")
    (folder / "u.data").write_text("".join("{}\t{}\t{}\t{}\n".format(*row) for row in ROWS))
    return folder


def _read(folder: Path) -> Data:
    return read_folder(folder, lambda *_: None)


@pytest.mark.parametrize("write", [_csv, _dat, _hundred_k])
def test_every_generation_reads_alike(write: Callable[[Path], Path], tmp_path: Path) -> None:
    data = _read(write(tmp_path))
    assert data.name == tmp_path.name
    assert data.catalogue.movie_ids.tolist() == [7, 30]
    matrix = data.catalogue.movie(7)
    assert matrix is not None and (matrix.year, matrix.genres) == (1999, ("Action", "Sci-Fi"))
    assert data.ratings.users.tolist() == [3, 3, 12]
    assert data.ratings.movie_ids.tolist() == [7, 30, 30]
    assert data.ratings.ratings.tolist() == [1.0, 2.5, 4.0]
    assert data.ratings.times.tolist() == [30, 20, 50]


def test_a_packed_file_is_the_same_data(tmp_path: Path) -> None:
    folders = [tmp_path / "plain", tmp_path / "packed"]
    for folder in folders:
        folder.mkdir()
    digests = [_read(_csv(folder, packed=folder.name == "packed")).digest for folder in folders]
    assert digests[0] == digests[1]


def test_other_ratings_are_other_data(tmp_path: Path) -> None:
    first = _read(_csv(tmp_path)).digest
    with (tmp_path / "ratings.csv").open("a") as file:
        file.write("12,7,3.0,60\n")
    assert _read(tmp_path).digest != first


def test_ids_that_are_no_numbers_get_places(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\ntt1,Heat (1995),Crime\ntt2,Ran (1985),War\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\nann,tt2,4,1\nbob,tt1,5,2\n")
    data = _read(tmp_path)
    assert data.catalogue.movie_ids.tolist() == [0, 1]
    assert np.column_stack([data.ratings.users, data.ratings.movie_ids]).tolist() == [[0, 1], [1, 0]]


def test_a_catalogue_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text(MOVIES)
    with pytest.raises(BadInput, match="no ratings"):
        _read(tmp_path)


def test_rows_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    _csv(tmp_path)
    with (tmp_path / "ratings.csv").open("a") as file:
        file.write("12,7,9.0,60\n12,99,4.0,60\nbroken\n")
    assert len(_read(tmp_path).ratings) == 3
