import json
from pathlib import Path

import pytest

from recommender.errors import Failed
from recommender.local.secrets import MAKERS, read_or_make


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    read_or_make(tmp_path / "secrets.json")
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_they_are_made_once_and_differ(tmp_path: Path) -> None:
    first = read_or_make(tmp_path / "secrets.json")
    assert read_or_make(tmp_path / "secrets.json") == first
    assert len(set(first.values())) == len(MAKERS)
    assert read_or_make(tmp_path / "another.json")["postgres"] != first["postgres"]


def test_one_that_is_missing_is_made_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = read_or_make(file)
    file.write_text(json.dumps({name: value for name, value in first.items() if name != "demo"}))
    second = read_or_make(file)
    assert second["demo"] not in ("", first["demo"])
    assert second | {"demo": ""} == first | {"demo": ""}


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_file_is_not_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(text)
    with pytest.raises(Failed, match="is damaged"):
        read_or_make(file)
    assert file.read_text() == text
