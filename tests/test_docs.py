"""What is documented exists, and what exists is documented."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from recommender.cli import main
from recommender.local.places import LocalSettings
from recommender.settings import (
    BackupSettings,
    DatabaseSettings,
    DataSettings,
    DeletionSettings,
    ModelSettings,
    RolePasswords,
)

ROOT = Path(__file__).parent.parent
CORE = (
    DatabaseSettings,
    DataSettings,
    ModelSettings,
    DeletionSettings,
    BackupSettings,
    RolePasswords,
    LocalSettings,
)
PAGES = sorted(path for path in ROOT.rglob("*.md") if ".marquee" not in path.parts)


def table(page: str, heading: str) -> list[str]:
    """The first column of the table below a heading, without its code marks."""
    text = (ROOT / page).read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    return [row.strip("`") for row in rows[2:]]


def variables(*groups: type[BaseSettings]) -> set[str]:
    return {name.upper() for group in groups for name in group.model_fields}


def verbs(group: click.Group, before: str = "") -> Iterator[str]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from verbs(command, f"{before}{name} ")
        elif command is not None and not command.hidden:
            yield before + name


def test_the_apis_settings_are_the_documented_ones() -> None:
    assert sorted(table("api/README.md", "Settings")) == sorted(variables(ApiSettings))


def test_the_cores_settings_are_the_documented_ones() -> None:
    known = variables(*CORE)
    assert sorted(table("recommender/README.md", "Settings")) == sorted(known)


@pytest.mark.parametrize("group", [ApiSettings, *CORE])
def test_every_setting_has_a_sentence(group: type[BaseSettings]) -> None:
    assert all(field.description for field in group.model_fields.values())


def test_verbs_are_the_documented_ones() -> None:
    assert sorted(table("recommender/README.md", "Verbs")) == sorted(verbs(main))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
