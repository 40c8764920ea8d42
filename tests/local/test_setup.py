import os
import shutil
from pathlib import Path

import pytest

from recommender.local import running
from tests.local.conftest import processes_of, setup
from tests.ports import free_port


def test_asked_for_help_it_says_what_it_can_do(clone: Path) -> None:
    done = setup(clone, "help")
    assert done.returncode == 0
    assert "./setup.sh local " in done.stdout
    assert "--no-airflow" in done.stdout
    assert "--monitoring" in done.stdout
    assert not (clone / ".marquee").exists()


def test_what_it_cannot_do_is_said_and_is_an_error(clone: Path) -> None:
    done = setup(clone, "bogus")
    assert done.returncode == 2
    assert "./setup.sh local" in done.stderr


def test_down_needs_no_environment(clone: Path) -> None:
    done = setup(clone, "down")
    assert (done.returncode, done.stdout) == (0, "Marquee was not running.\n")


def test_without_python_it_says_what_to_install(clone: Path) -> None:
    tools = clone / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "uname", "mkdir", "tail"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = setup(clone, "local", PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr == (
        "setup.sh: Marquee wants Python 3.11 or newer; on Debian or Ubuntu: sudo apt install python3\n"
    )


ONLY_3_14 = """#!/bin/sh
case "$*" in
  *"(3, 13)"*) ;;
  *-V*) echo Python 3.14.0 ;;
  *) echo "$0" ;;
esac
"""


def test_where_airflow_has_no_python_that_it_knows_it_says_how_to_do_without(clone: Path) -> None:
    tools = clone / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "uname", "mkdir", "tail"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").write_text(ONLY_3_14)
    (tools / "python3").chmod(0o755)
    done = setup(clone, "local", PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr == (
        "setup.sh: Airflow wants Python 3.11, 3.12 or 3.13, and only Python 3.14.0 is here: "
        "install one of these too, or start without Airflow: ./setup.sh local --no-airflow\n"
    )


def test_without_a_network_it_asks_for_one(clone: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
    done = setup(clone, "local", **nowhere, PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="")
    assert done.returncode == 1
    assert done.stderr.startswith("setup.sh: The packages could not be downloaded: is this machine connected")
    assert len(done.stderr.splitlines()) == 1


def test_an_environment_is_not_made_anew_below_a_platform_that_runs(clone: Path) -> None:
    state = clone / ".marquee"
    (state / "env" / "bin").mkdir(parents=True)
    (state / "env" / ".stamp").write_text("of an earlier version")
    lock = running.hold(state)
    assert lock
    with lock:
        done = setup(clone, "local", "--no-airflow")
    assert done.returncode == 1
    assert done.stderr == (
        f"setup.sh: The environment in {state}/env is to be made anew, and Marquee runs: "
        "end it first with ./setup.sh down\n"
    )
    assert (state / "env" / "bin").is_dir()


@pytest.mark.full
def test_two_commands_lead_to_a_recommendation_and_down_leaves_no_process(clone: Path) -> None:
    ports = {"MARQUEE_PORT": str(free_port()), "AIRFLOW_PORT": str(free_port())}
    try:
        first = setup(clone, "local", **ports)
        again = setup(clone, "local", **ports)
    finally:
        down = setup(clone, "down")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "because you liked " in first.stdout
    closing = first.stdout[first.stdout.index("For a viewer") :]
    assert again.stdout == f"Marquee is already running.\n{closing}"
    assert down.stdout == "Marquee is stopped.\n"
    assert not list(processes_of(clone))


@pytest.mark.full
def test_a_second_start_skips_what_is_done(clone: Path) -> None:
    port = {"MARQUEE_PORT": str(free_port())}
    try:
        setup(clone, "local", "--no-airflow", **port)
        setup(clone, "down")
        second = setup(clone, "local", "--no-airflow", **port)
    finally:
        setup(clone, "down")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.count("done before") == 3
