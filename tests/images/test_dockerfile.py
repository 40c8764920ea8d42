"""What the Dockerfile and .dockerignore promise, as far as it can be seen without building."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.instructions import DOCKERFILE, ROOT, TARGETS, instructions, of

LABELS = {"title", "description", "source", "licenses", "version", "revision", "created"}
LET_IN = [
    line.removeprefix("!")
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if line.startswith("!")
]


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_every_stage_begins_with_the_pinned_base_or_an_earlier_stage() -> None:
    (base,) = of("", "ARG")
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+", base)
    known = {"${BASE}"}
    for found in instructions():
        if found.word == "FROM":
            assert found.rest.partition(" AS ")[0] in known
            known.add(found.stage)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_runs_as_a_user_by_number_who_is_not_root(target: str) -> None:
    (user,) = of(target, "USER")
    assert re.fullmatch(r"[1-9]\d*:\d+", user)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_says_what_it_is_and_what_it_was_made_of(target: str) -> None:
    (label,) = of(target, "LABEL")
    assert set(re.findall(r"org\.opencontainers\.image\.(\w+)=", label)) == LABELS
    asked = {argument.partition("=")[0] for argument in of(target, "ARG")}
    assert set(re.findall(r"\$\{(\w+)\}", label)) == asked


@pytest.mark.parametrize("target", TARGETS)
def test_what_changes_with_each_build_comes_last(target: str) -> None:
    words = [found.word for found in instructions() if found.stage == target]
    end = words.index("ARG")
    assert set(words[end:]) == {"ARG", "RUN", "LABEL"}


def test_what_is_copied_is_there_and_is_let_into_the_context() -> None:
    copied = {path.rstrip("/") for found in instructions() for path in found.source_paths}
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert any(path == entry or path.startswith(f"{entry}/") for entry in LET_IN), path


def test_only_what_is_copied_is_let_into_the_context() -> None:
    assert "*" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {path.rstrip("/") for found in instructions() for path in found.source_paths}
    for entry in LET_IN:
        assert any(path == entry or path.startswith(f"{entry}/") for path in copied), entry


def test_the_last_stage_is_marquee() -> None:
    assert [found.stage for found in instructions()][-1] == "marquee"


def test_no_instruction_takes_a_secret_as_an_argument() -> None:
    for found in instructions():
        if found.word in ("ARG", "ENV"):
            assert not re.search(r"(?i)password|secret|token|_key|index_url", found.rest), found.rest


@pytest.mark.parametrize("script", ["environment", "airflow/entrypoint", "postgres/entrypoint"])
def test_a_script_can_be_started_and_read(script: str) -> None:
    path = ROOT / "images" / script
    assert path.stat().st_mode & 0o111 == 0o111
    shell = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#!")
    subprocess.run([shell, "-n", path], check=True)
