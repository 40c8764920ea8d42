"""A day's files from where they come in to where they are worked on: checked and sealed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from recommender.accounts import folded
from recommender.days import INCOMING, MOVIES, RATINGS, RAW
from recommender.errors import BadInput, Failed, NotFound, NothingToDo
from recommender.files import Store
from recommender.manifests import Entry, Making, Manifest, read_manifest, verify
from recommender.progress import Progress

SOURCE = INCOMING  # whose numbering the movie ids are in, when the manifest names nobody
_CHUNK, _LONGEST_SOURCE = 1 << 20, 200


@dataclass(frozen=True, slots=True)
class Files:
    """Those of a manifest that are the day's; others are left alone."""

    movies: Entry | None
    ratings: dict[str, Entry]  # by client
    others: tuple[str, ...]

    @property
    def entries(self) -> Iterator[Entry]:
        if self.movies:
            yield self.movies
        yield from self.ratings.values()


def files_of(manifest: Manifest, name: str) -> Files:
    """``name`` is the folder's, for a sentence."""
    found: dict[str, Entry] = {}
    for entry in manifest.files:
        place = _place(entry.path)
        if place is None:
            continue
        same = found.setdefault(folded(place), entry)
        if same is not entry:
            raise BadInput(f"{name} has both {same.path} and {entry.path}: only one can be meant.")
    others = tuple(entry.path for entry in manifest.files if _place(entry.path) is None)
    movies = found.pop("", None)
    return Files(movies, {entry.path.partition("/")[0]: entry for entry in found.values()}, others)


def _place(path: str) -> str | None:
    """The client whose ratings these are, nothing for the movies, None for another file."""
    folder, _, file = path.removesuffix(".gz").rpartition("/")
    if file == MOVIES and not folder:
        return ""
    return folder if file == RATINGS and folder and "/" not in folder else None


def fetch(data: Store, day: date, progress: Progress, reason: str | None = None) -> Manifest:
    """Into raw/DAY. What was fetched already is only verified, and fetched again where it is damaged."""
    folder = f"{RAW}/{day}"
    fetched = read_manifest(data, folder)
    incoming = _incoming(data, day, fetched)
    if fetched and (incoming is None or fetched.about["from"] == incoming.digest):
        if all(_is_whole(data, folder, entry) for entry in fetched.files):
            return fetched
        reason = fetched.about.get("reason")
    elif fetched and reason is None:
        raise Failed(
            f"{data.named(f'{INCOMING}/{day}')} is not what was fetched: it changed since."
            " Fetch it with --force and a reason, then process and load the day again."
        )
    if incoming is None:
        raise Failed(f"{data.named(folder)} is damaged, and the day's incoming files are gone.")
    return _copied(data, day, incoming, reason, progress)


def _incoming(data: Store, day: date, fetched: Manifest | None) -> Manifest | None:
    """None where there is only what was fetched."""
    folder = f"{INCOMING}/{day}"
    manifest = read_manifest(data, folder)
    if manifest is None and data.exists(folder):
        raise Failed(f"{data.named(folder)} has no manifest.json: it is still being written.")
    if manifest is None and fetched is None:
        raise NothingToDo(f"There are no files of {day}: {data.named(folder)} is not there.")
    if manifest and manifest.about.get("day", str(day)) != str(day):
        raise BadInput(f"{data.named(folder)} is sealed as the day {manifest.about['day']}.")
    source = manifest.about.get("source", SOURCE) if manifest else SOURCE
    if not (isinstance(source, str) and 0 < len(source) <= _LONGEST_SOURCE and source.isprintable()):
        raise BadInput(f"{data.named(folder)} names no source in its manifest that can be one: {source!a}.")
    return manifest


def _is_whole(data: Store, folder: str, entry: Entry) -> bool:
    try:
        verify(data, folder, entry)
    except (BadInput, NotFound):
        return False
    return True


def _copied(data: Store, day: date, incoming: Manifest, reason: str | None, progress: Progress) -> Manifest:
    folder, files = f"{INCOMING}/{day}", files_of(incoming, data.named(f"{INCOMING}/{day}"))
    entries = list(files.entries)
    if not entries:
        raise BadInput(f"{data.named(folder)} has neither movies.csv nor a ratings.csv in a client's folder.")
    making, done, total = Making(data, f"{RAW}/{day}"), 0, sum(entry.bytes for entry in entries)
    for entry in entries:
        for size in _copy(data, folder, entry, making):
            done += size
            progress("fetch", done, total)
    about = {"day": str(day), "source": incoming.about.get("source", SOURCE), "from": incoming.digest}
    return making.seal({**about, "ignored": list(files.others), **({"reason": reason} if reason else {})})


def _copy(data: Store, folder: str, entry: Entry, making: Making) -> Iterator[int]:
    changed = f"{data.named(f'{folder}/{entry.path}')} is not the file that the manifest names"
    try:
        with data.reading(f"{folder}/{entry.path}") as stream, making.file(entry.path, entry.rows) as copy:
            while chunk := stream.read(_CHUNK):
                copy.write(chunk)
                yield len(chunk)
            if copy.digest.hexdigest() != entry.sha256:
                raise Failed(f"{changed}: it is still being written.")
    except NotFound:
        raise Failed(f"{changed}: it is not there.") from None
