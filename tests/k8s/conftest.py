import shutil
from pathlib import Path

import pytest

from tests.k8s.machine import Done, Machine, make_machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return make_machine(tmp_path)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Done]:
    """A machine on which ./setup.sh ran once, to be looked at."""
    machine = make_machine(tmp_path_factory.mktemp("first"))
    return machine, machine.run()


@pytest.fixture
def installed(first: tuple[Machine, Done], tmp_path: Path) -> Machine:
    """A machine on which ./setup.sh ran once, for a test of its own."""
    machine, done = first
    assert done.status == 0, done.err
    shutil.copytree(machine.folder, tmp_path / "copy", symlinks=True)
    return Machine(tmp_path / "copy")
