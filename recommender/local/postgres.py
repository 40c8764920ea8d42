"""The embedded Postgres: a real server out of a wheel, run as our own child, on the loopback address only."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psycopg2
import psycopg2.extensions
from psycopg2 import sql
from sqlalchemy import URL, create_engine

from recommender.errors import Failed
from recommender.local.data_folder import ENVIRONMENT, DataFolder, binaries
from recommender.local.ports import HOST, free_port, is_free
from recommender.local.process import last_line, start_child, stop_child
from recommender.roles import own_database, url_for

LONGEST_SOCKET_FOLDER = 90  # the kernel allows 107 bytes for the folder and "/.s.PGSQL.65535.lock"
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_parallel_workers_per_gather": "0",  # their shared memory does not fit a container's /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Server:
    """`folder` holds the data, the port and the socket; it is made at the first start."""

    def __init__(
        self, folder: Path, password: str, log: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        self.place = DataFolder(folder)
        self.log = log
        self._password = password
        self._settings = {**SETTINGS, **(settings or {})}
        self._child: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        url = URL.create("postgresql+psycopg2", "postgres", self._password, HOST, self.port, database)
        return url.render_as_string(hide_password=False)

    @property
    def port(self) -> int:
        return int((self.place.folder / "port").read_text())

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def launch(self) -> subprocess.Popen[bytes]:
        self.stop()
        self.place.make(self._password, self.log)
        self.place.end_leftovers()
        self._choose_port()
        with self.log.open("ab") as log:
            self._child = start_child(
                [binaries() / "postgres", "-D", self.place.data, *self._options()],
                ends_by="INT",
                user=self.place.user,
                reach=[self.place.data],
                env=ENVIRONMENT,
                cwd=Path("/"),
                output=log,
            )
        return self._child

    def wait_until_ready(self, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while (trouble := self._trouble()) is not None:
            if time.monotonic() > deadline or "authentication failed" in trouble:
                raise Failed(f"Postgres does not answer: {trouble}")
            time.sleep(0.05)

    def _trouble(self) -> str | None:
        if not self.running:
            raise Failed(f"Postgres did not start: {_reason(self.log)} (more in {self.log})")
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError as error:
            return last_line(str(error).encode())
        return None

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=HOST,
            port=self.port,
            user="postgres",
            password=self._password,
            dbname=database,
            connect_timeout=2,
        )

    def make_database(self, name: str) -> None:
        """Nothing to do when it is there."""
        with closing(self._connect("postgres")) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if not cursor.fetchone():
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def give(self, name: str, password: str) -> str:
        """The URL of a database for somebody else, whose owner of the same name sees no other."""
        engine = create_engine(self.url())
        own_database(engine, name, password)
        engine.dispose()
        return url_for(self.url(name), name, password)

    def stop(self) -> None:
        if self._child:
            stop_child(self._child, signal.SIGINT)

    def _choose_port(self) -> None:
        file = self.place.folder / "port"
        if not file.exists():
            file.write_text(str(free_port()))
        if not is_free(self.port):
            raise Failed(
                f"Port {self.port}, which this project's Postgres uses, is taken by another program: "
                f"end that one, or delete {file} to have another port chosen."
            )

    def _options(self) -> list[str]:
        listen = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": _quoted(self.place.sockets) if self._socket_fits() else "",
        }
        return [
            part for name, value in {**self._settings, **listen}.items() for part in ("-c", f"{name}={value}")
        ]

    def _socket_fits(self) -> bool:
        return len(os.fsencode(self.place.sockets)) <= LONGEST_SOCKET_FOLDER


def _reason(log: Path) -> str:
    """The last complaint of the log: what follows it is how the server goes down."""
    lines = log.read_bytes().splitlines()
    return last_line(b"\n".join([line for line in lines if b" FATAL: " in line] or lines))


def _quoted(path: Path) -> str:
    return '"' + str(path).replace('"', '""') + '"'
