"""The images install our code as a wheel: what is missing in it is missing in the cluster."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from recommender.local.postgres import Server
from recommender.local.urls import role_urls
from recommender.roles import make_roles
from tests.conftest import PASSWORDS
from tests.images.instructions import ROOT

PACKAGES = ("api", "migrations", "recommender", "simulator")
FOR_PEOPLE = {".md", ".svg", ".mako"}  # nothing reads them at run time
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    source, wheels, installed = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "installed"))
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-I", "-c", BUILD, wheels], cwd=source, check=True, capture_output=True)
    (wheel,) = wheels.glob("marquee-*.whl")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(installed)
    return installed


def ours(folder: Path) -> Iterator[str]:
    for package in PACKAGES:
        for path in (folder / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in FOR_PEOPLE:
                yield str(path.relative_to(folder))


def test_the_wheel_holds_every_file_that_the_code_may_read(installed: Path) -> None:
    assert sorted(ours(installed)) == sorted(ours(ROOT))


def test_the_wheel_holds_nothing_else(installed: Path) -> None:
    (about,) = installed.glob("marquee-*.dist-info")
    assert {path.name for path in installed.iterdir()} == {*PACKAGES, about.name}
    assert (about / "licenses" / "LICENSE").is_file()


def test_what_is_installed_migrates_a_new_database(installed: Path, server: Server, tmp_path: Path) -> None:
    server.make_database("installed")
    admin = create_engine(server.url("installed"))
    make_roles(admin, PASSWORDS)
    url = role_urls(server.url("installed"), PASSWORDS).owner
    run = "import recommender.cli as c, sys; assert c.__file__.startswith(sys.argv.pop(1)); c.main()"
    subprocess.run(
        [sys.executable, "-c", run, installed, "migrate"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "DATABASE_URL": url},
        check=True,
    )
    with admin.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM movies")) == 0
    admin.dispose()
