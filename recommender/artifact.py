"""The folder that a model is kept in: tables as .npy, which can be memory-mapped, and a card as JSON.

A version is the hash of the sorted list of the files' names and hashes. Nothing here is a pickle.
"""

import hashlib
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import BadArtifact

FORMAT = 1
TYPES: dict[str, type[Any]] = {
    "movie_ids": np.int64,
    "left": np.float32,
    "right": np.float32,
    "prior": np.float32,
    "genre_factors": np.float32,
}
_CARD = "card.json"
Tables = Mapping[str, NDArray[Any]]
Card = dict[str, Any]


def sealed(tables: Tables, card: Card) -> tuple[Card, str]:
    """The card with the hashes of the tables in it, and the version that they make."""
    hashes = {name: _hash(content) for name, content in _contents(tables).items()}
    card = json.loads(json.dumps(card | {"format": FORMAT, "files": hashes}))  # what a reader will see
    return card, _version(hashes | {_CARD: _hash(_card_bytes(card))})


def write(folder: Path, tables: Tables, card: Card) -> None:
    """The folder appears whole or not at all; one that holds another model is replaced."""
    contents = _contents(tables) | {_CARD: _card_bytes(card)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as space:
        fresh = Path(space, "fresh")
        fresh.mkdir()
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        if folder.exists():
            folder.rename(Path(space, "old"))
        fresh.rename(folder)


def read(folder: Path, version: str | None) -> tuple[dict[str, NDArray[Any]], Card, str]:
    """Memory-mapped. Refuses a folder that is damaged, or is not the version asked for."""
    card = _read_card(folder)
    hashes = {name: _hash_file(folder / name) for name in files()}
    for name in _files():
        if hashes[name] != card["files"].get(name):
            raise BadArtifact(f"{folder.name}/{name} is not the file that its card describes")
    found = _version(hashes)
    if version is not None and found != version:
        raise BadArtifact(f"{folder.name} holds version {found}, not {version}")
    tables = {name: _read_table(folder / f"{name}.npy", dtype) for name, dtype in TYPES.items()}
    _check(tables, card)
    return tables, card, found


def files() -> list[str]:
    """The card is the last."""
    return [*_files(), _CARD]


def _files() -> list[str]:
    return [f"{name}.npy" for name in TYPES]


def _contents(tables: Tables) -> dict[str, bytes]:
    return {f"{name}.npy": _npy(np.ascontiguousarray(table)) for name, table in tables.items()}


def _npy(table: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, table, allow_pickle=False)
    return buffer.getvalue()


def _card_bytes(card: Mapping[str, Any]) -> bytes:
    return json.dumps(card, indent=2, sort_keys=True).encode() + b"\n"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadArtifact(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}") from None


def _version(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return _hash(lines.encode())[:16]


def _read_card(folder: Path) -> Card:
    try:
        card: Card = json.loads((folder / _CARD).read_bytes())
        if card["format"] != FORMAT:
            raise BadArtifact(f"{folder.name} is of format {card['format']}, this code reads {FORMAT}")
        if not isinstance(card["files"], dict) or not isinstance(card["genres"], list):
            raise TypeError("files or genres")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadArtifact(f"{folder.name}/{_CARD} cannot be read: {error}") from None
    return card


def _read_table(path: Path, dtype: type[Any]) -> NDArray[Any]:
    try:
        table = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise BadArtifact(f"{path.parent.name}/{path.name} cannot be read: {error}") from None
    if table.dtype != dtype or not np.isfinite(table).all():
        raise BadArtifact(f"{path.parent.name}/{path.name} holds something else than finite {dtype.__name__}")
    return table


def _check(tables: Tables, card: Card) -> None:
    movies, rank = card["movies"], card["rank"]
    shapes = {
        "movie_ids": (movies,),
        "left": (movies, rank),
        "right": (movies, rank),
        "prior": (movies,),
        "genre_factors": (len(card["genres"]), rank),
    }
    for name, shape in shapes.items():
        if tables[name].shape != shape:
            raise BadArtifact(f"{name} is of shape {tables[name].shape}, the card says {shape}")
    if (np.diff(tables["movie_ids"]) <= 0).any():
        raise BadArtifact("movie ids do not ascend")
