"""A process as the chart runs it, as far as that goes without a container.

In place of a read-only root a hook refuses what Python would write outside TMPDIR.
"""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url

from recommender.local.postgres import Server
from recommender.local.urls import PerRole
from tests.api.conftest import (
    DEADLINE_S,
    SETTINGS,
    Service,
    Stock,
    copied_stock,
    eventually,
    run,
    serving,
    until,
)
from tests.api.test_health import ONE_MOVIE
from tests.conftest import PASSWORDS
from tests.ports import free_port

NOBODY = 54321  # has no entry in the list of users
LATER = (  # read now what is imported later: this Python may lie where only root comes
    "api.app api.server threadpoolctl"
    " anyio._backends._asyncio argon2 encodings.idna fsspec.implementations.local h11 passlib.handlers.argon2"
    " psycopg2.extras uvicorn.lifespan.on uvicorn.loops.uvloop uvicorn.protocols.http.h11_impl"
    " uvicorn.protocols.websockets.auto fastapi.telemetry._runtime"
)
CONFINED = """
import errno, importlib, os, sys
from api.__main__ import main
later, uid = sys.argv[1:]
for name in later.split():
    importlib.import_module(name)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}

def refuse(event, arguments):
    changes = event in CHANGES or event == "open" and arguments[2] & WRITES
    if changes and isinstance(arguments[0], (str, bytes)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path != os.devnull and not path.startswith(os.environ["TMPDIR"] + "/"):
            raise OSError(errno.EROFS, "Read-only file system", path)

os.environ.pop("HOME")
os.chdir("/")
if uid:
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
sys.addaudithook(refuse)
sys.exit(main())
"""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def hears(pid: int) -> bool:
    """Whether SIGTERM has a handler there."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("import api.__main__ as it; sys.exit(it.main())", 0),
        ("from recommender.cli import main; main(['migrate', '--wait', '300'])", 143),
        ("from simulator.cli import main; main(['ask', 'http://127.0.0.1:1', '--wait', '300'])", 143),
    ],
)
def test_the_first_process_of_a_container_ends_when_it_is_told_to(
    tmp_path: Path, program: str, status: int
) -> None:
    """Also while the API imports what it needs: the kernel keeps from it what it has no handler for."""
    new = ["unshare", "--map-root-user", "--fork", "--pid", "--kill-child"]
    known = shutil.which("unshare")
    if not known or subprocess.run([*new, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody be the first process")
    given = {"PATH": os.environ["PATH"], **SETTINGS, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    inner = [*new, sys.executable, "-c", f"import sys; {program}"]
    with (tmp_path / "log").open("wb") as log:
        outer = subprocess.Popen(inner, env=given, cwd=tmp_path, stdout=log, stderr=log)
    try:
        eventually(lambda: any(map(hears, children(outer.pid))))
        (first,) = children(outer.pid)
        os.kill(first, signal.SIGTERM)
        assert outer.wait(DEADLINE_S) == status
    finally:
        outer.kill()
    assert "listening" not in (tmp_path / "log").read_text()


@pytest.fixture
def place(stock: Stock) -> Iterator[Path]:
    """`models`, which nobody may write, and `tmp`, where everybody may."""
    with tempfile.TemporaryDirectory() as name:
        place, models = Path(name), Path(name, "models")
        place.chmod(0o755)
        shutil.copytree(stock.models, models)
        (place / "tmp").mkdir()
        (place / "tmp").chmod(0o1777)
        for path in (models, *models.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield place
        for path in (models, *models.rglob("*")):
            path.chmod(0o755)


@pytest.mark.parametrize("uid", ["", str(NOBODY)])
def test_a_process_serves_with_no_home_and_nothing_to_write_but_its_temporary_folder(
    server: Server, stock: Stock, place: Path, tmp_path_factory: pytest.TempPathFactory, uid: str
) -> None:
    if uid and os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    if uid and not all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(sys.prefix).parents):
        pytest.skip("the packages lie below a folder that only its owner may enter")
    urls, _ = copied_stock(server, stock, tmp_path_factory)
    given = {
        "MODELS_URL": str(place / "models"),
        "TMPDIR": str(place / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/",
    }
    with serving(urls, place, given, ["-c", CONFINED, LATER, uid]) as service:
        told = service.http.get("/health/ready")
        assert (told.status_code, told.json()["missing"]) == (200, [])
        asked = {"history": [{"title": "The Matrix (1999)"}], "k": 3}
        answer = service.client().post("/recommendations", json=asked)
        assert (answer.status_code, answer.json()["source"]) == (200, "model")
        if uid:
            assert Path(f"/proc/{service.process.pid}").stat().st_uid == NOBODY
    assert " ERROR " not in service.log.read_text()


def test_a_bucket_that_does_not_answer_costs_the_model_and_not_the_readiness(
    server: Server, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    urls, folder = copied_stock(server, stock, tmp_path_factory)
    given = {
        "MODELS_URL": "s3://models/of-nobody",
        "MODEL_CACHE": str(folder / "cache"),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with serving(urls, folder, given) as service:
        told = service.http.get("/health/ready")
        assert (told.status_code, told.json()["model"]) == (200, None)
        assert "ranks in its place" in told.json()["missing"][0]
        eventually(lambda: "Could not connect to the endpoint" in service.log.read_text())
        answer = service.client().post("/recommendations", json={"history": [{"title": "Heat (1995)"}]})
        assert (answer.status_code, answer.json()["source"]) == (200, "popular")


def without_password(urls: PerRole[str]) -> str:
    return make_url(urls.api)._replace(password=None).render_as_string()


def test_the_password_of_the_database_may_stand_in_a_variable_of_its_own(
    serve: Callable[..., Service], urls: PerRole[str], engines: PerRole[Engine]
) -> None:
    run(engines.admin, ONE_MOVIE)
    service = serve(DATABASE_URL=without_password(urls), PGPASSWORD=PASSWORDS["marquee_api"])
    assert service.http.get("/health/ready").status_code == 200
    assert service.client().get("/client").status_code == 200


def test_a_wrong_password_of_the_database_is_told_and_not_shown(
    serve: Callable[..., Service], urls: PerRole[str]
) -> None:
    service = serve(DATABASE_URL=without_password(urls), PGPASSWORD="of another role")
    told = until(service, "/health/ready", lambda answer: answer.json()["database"] == "away").json()
    assert (told["status"], told["missing"][0]) == ("starting", "The database does not answer.")
    log = service.log.read_text()
    assert 'password authentication failed for user "marquee_api"' in log
    assert "of another role" not in log
    assert SETTINGS["TOMBSTONE_KEY"] not in log
