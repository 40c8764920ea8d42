"""A machine with a cluster, for the real setup.sh. kubectl, helm, podman, k3s and curl are other people's:
small stand-ins keep what they did in files. What goes into the images is a file for each part."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from recommender.local.places import PROJECT

TOOLS = Path(__file__).parent / "tools"
SOURCES = """Dockerfile .dockerignore images/entrypoint pyproject.toml README.md LICENSE api/a.py dags/d.py
recommender/r.py simulator/s.py migrations/m.py requirements/build.txt requirements/marquee.txt
requirements/airflow.txt requirements/postgres.txt"""
SYSTEM = """bash awk base64 basename cat cp date df dirname env find flock grep gzip head install mkdir mkfifo
paste printf rm sed sh sha256sum sleep sort tail tar timeout touch tr uname"""
FACTS = {
    "context": "here\n",
    "nodes": "v1.35.1+k3s1\n",
    "storage": "true\n",
    "unready": "",
    "node": "",
    "kubectl-version": "v1.35.1\n",
    "helm-version": "v4.0.1+gabc\n",
    "free-mb": "90000\n",
    "airflow-password": "m7 %/@secret\n",
    "calls": "",
    "changes": "",
}


@dataclass(frozen=True)
class Machine:
    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "a project"

    @property
    def tools(self) -> Path:
        return self.folder / "tools"

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    def run(self, *words: str) -> "Done":
        """What ./setup.sh does and says; in `done.changes` is what it changed this time."""
        before = len(self.lines("changes"))
        with self.started(*words) as process:
            out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err, self.lines("changes")[before:])

    def started(self, *words: str) -> "subprocess.Popen[str]":
        environment = {
            "PATH": f"{self.tools}:{self.folder / 'system'}",
            "HOME": str(self.project),
            "CLUSTER": str(self.cluster),
            "TMPDIR": str(self.folder),
        }
        return subprocess.Popen(
            [self.project / "setup.sh", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hears_ctrl_c,
        )

    def wait_for(self, name: str) -> None:
        deadline = time.monotonic() + 30
        while not (self.cluster / name).exists():
            assert time.monotonic() < deadline, f"no {name} in time"
            os.sched_yield()

    def lacks(self, *names: str) -> None:
        for name in names:
            (self.tools / name).unlink()

    def puts_aside(self, *names: str) -> None:
        """Tools that this machine does not have, until somebody installs them."""
        (self.tools / "standby").mkdir(exist_ok=True)
        for name in names:
            (self.tools / name).rename(self.tools / "standby" / name)

    def lines(self, name: str) -> list[str]:
        return (self.cluster / name).read_text().splitlines()

    def has(self, name: str, content: str) -> None:
        """The stand-ins' file `name` says `content`."""
        (self.cluster / name).parent.mkdir(parents=True, exist_ok=True)
        (self.cluster / name).write_text(content)

    def objects(self, kind: str) -> set[str]:
        return {f"{path.parts[-3]}/{path.name}" for path in self.cluster.glob(f"objects/*/{kind}/*")}

    def state(self) -> dict[str, str]:
        """All that outlives a command, but for what is written down about calls."""
        files = (path for path in self.cluster.rglob("*") if path.is_file())
        kept = {str(path.relative_to(self.cluster)): path.read_text() for path in files}
        return {name: text for name, text in kept.items() if name not in ("calls", "changes", "first-fails")}

    def secrets(self) -> set[str]:
        """Every value that a Secret holds."""
        texts = [path.read_text() for path in self.cluster.glob("objects/*/secret/*")]
        pairs = [pair for text in texts for pair in re.findall(r'"([a-z-]+)": "([^"]{16,})"', text)]
        return {value for name, value in pairs if name not in ("name", "namespace")}


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str
    changes: list[str]

    @property
    def planned(self) -> list[str]:
        """The commands that a --dry-run names."""
        return [line.strip() for line in self.out.splitlines() if line.startswith("    ")]


def releases(changes: list[str]) -> list[str]:
    """Which releases these commands install or upgrade, in order."""
    return [found[1] for change in changes if (found := re.search(r"upgrade --install (\w+)", change))]


def make_machine(folder: Path) -> Machine:
    machine = Machine(folder)
    for name in SOURCES.split():
        (machine.project / name).parent.mkdir(parents=True, exist_ok=True)
        (machine.project / name).write_text(name)
    (machine.project / "setup.sh").symlink_to(PROJECT / "setup.sh")
    (machine.project / "charts").symlink_to(PROJECT / "charts")
    shutil.copytree(PROJECT / "k8s", machine.project / "k8s", ignore=shutil.ignore_patterns("own"))
    shutil.copytree(TOOLS, machine.tools)
    machine.cluster.mkdir()
    (folder / "system").mkdir()
    for name in SYSTEM.split():
        found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
        assert found, f"this machine has no {name}"
        (folder / "system" / name).symlink_to(found)
    for folder_name in ("engine", "registry"):
        (machine.cluster / folder_name).mkdir()
    for name, content in FACTS.items():
        machine.has(name, content)
    return machine


def is_root() -> bool:
    return os.geteuid() == 0


def _hears_ctrl_c() -> None:
    """Whoever runs the tests in the background has it ignored, and a shell cannot undo that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
