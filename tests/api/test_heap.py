"""One heap for all threads: glibc would keep one for each that once met another at work."""

import platform
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from recommender.local.urls import PerRole
from tests.api.conftest import API, serving

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have one heap")
PLACE = re.compile(r"(?m)^([0-9a-f]+)-([0-9a-f]+) (\S+)")
RESERVED = 1 << 26  # bytes from one heap of a thread to the next place where one may be
SEVERAL = ("-c", "import api.__main__ as started; started.one_heap = lambda: None; started.main()")


def heaps_of_threads(pid: int) -> int:
    """Each is what is in use and, right behind it, the rest of its place, which nobody may touch yet."""
    found = PLACE.findall(Path(f"/proc/{pid}/maps").read_text())
    places = [(int(first, 16), int(end, 16), rights) for first, end, rights in found]
    return sum(
        first % RESERVED == 0 and used == "rw-p" and (rest, end) == ("---p", first + RESERVED)
        for (first, middle, used), (begin, end, rest) in pairwise(places)
        if middle == begin
    )


@pytest.mark.parametrize(("program", "several"), [(API, False), (SEVERAL, True)])
def test_threads_have_heaps_of_their_own_only_without_our_word(
    urls: PerRole[str], tmp_path: Path, program: Sequence[str], several: bool
) -> None:
    with serving(urls, tmp_path, {}, program) as service:
        client = service.client()
        for _ in range(5):  # each by a thread
            assert client.get("/client").is_success
        assert (heaps_of_threads(service.process.pid) > 0) == several
