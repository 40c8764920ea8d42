import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import create_engine, text

from recommender.errors import Failed
from recommender.local import data_folder
from recommender.local.ports import HOST
from recommender.local.postgres import Server
from recommender.local.process import start_child


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Below folders of mode 0700, in one with a space and quotes in its name."""
    folder = tmp_path_factory.mktemp("postgres") / "a 'folder' of \"ours\""
    folder.mkdir(mode=0o700)
    server = Server(folder / "postgres", "secret", folder / "log")
    yield server
    server.stop()


@pytest.fixture
def running(own: Server) -> Server:
    if not own.running:
        own.start()
    return own


def ask(server: Server, query: str) -> str:
    engine = create_engine(server.url())
    with engine.begin() as connection:
        answer = str(connection.execute(text(query)).scalar())
    engine.dispose()
    return answer


def test_the_wheel_brings_postgres_18(running: Server) -> None:
    assert ask(running, "SHOW server_version").startswith("18.")
    assert (data_folder.binaries() / "initdb").is_file()


def test_it_listens_on_the_loopback_address_only(running: Server) -> None:
    assert ask(running, "SHOW listen_addresses") == HOST


def test_it_wants_the_password(running: Server) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host=HOST, port=running.port, user="postgres", password="guess", dbname="postgres")


def test_no_password_stays_in_the_folder(running: Server) -> None:
    assert {path.name for path in running.place.folder.iterdir()} == {"data", "socket", "port"}
    assert running.place.data.stat().st_mode & 0o077 == 0


def test_a_database_for_somebody_else_is_all_that_its_owner_sees(running: Server) -> None:
    running.make_database("films")
    admin = create_engine(running.url("films"))
    with admin.begin() as connection:
        connection.execute(text("REVOKE CONNECT ON DATABASE films FROM PUBLIC"))
    admin.dispose()
    for password in ("first", "second"):
        url = running.give("airflow", password)
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS runs (id int)"))
            assert connection.scalar(text("SELECT current_user")) == "airflow"
        engine.dispose()
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(host=HOST, port=running.port, user="airflow", password="second", dbname="films")


def test_what_was_written_is_there_after_stop_and_start(running: Server) -> None:
    ask(running, "CREATE TABLE stopped AS SELECT 1 AS n; SELECT 1")
    port = running.port
    running.stop()
    assert not running.running
    running.start()
    assert running.port == port
    assert ask(running, "SELECT n FROM stopped") == "1"


def test_what_was_written_is_there_after_a_kill(running: Server) -> None:
    ask(running, "CREATE TABLE killed AS SELECT 1 AS n; SELECT 1")
    postmaster = int((running.place.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    running.start()
    assert ask(running, "SELECT n FROM killed") == "1"


def test_a_server_that_was_left_behind_is_ended_first(running: Server) -> None:
    again = Server(running.place.folder, "secret", running.log)
    again.start()
    assert ask(again, "SELECT 1") == "1"
    assert not running.running
    again.stop()


def test_a_pid_file_that_names_a_stranger_does_not_stop_it(running: Server) -> None:
    running.stop()
    stranger = start_child(["/bin/sleep", "600"], ends_by="KILL", user=running.place.user, output=2)
    (running.place.data / "postmaster.pid").write_text(f"{stranger.pid}\n")
    running.start()
    assert ask(running, "SELECT 1") == "1"
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_refuses_a_port_that_is_taken(running: Server) -> None:
    running.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, running.port))
        other.listen()
        with pytest.raises(Failed, match=f"Port {running.port}, .* is taken by another program"):
            running.start()


def test_it_refuses_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "FREE_BYTES", 10**18)
    with pytest.raises(Failed, match="MB are free on the disk"):
        Server(tmp_path / "postgres", "secret", tmp_path / "log").start()
    assert not (tmp_path / "postgres" / "data").exists()


def test_it_does_without_a_socket_where_the_path_is_too_long(tmp_path: Path) -> None:
    server = Server(tmp_path / ("long" * 20) / "postgres", "secret", tmp_path / "log")
    server.start()
    assert ask(server, "SHOW unix_socket_directories") == ""
    server.stop()


def test_what_initdb_says_reaches_the_person(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"could not make its data folder: initdb: .*password"):
        Server(tmp_path / "postgres", "", tmp_path / "log").start()
