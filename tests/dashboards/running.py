"""A real Prometheus, and files that it can scrape."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import yaml

from tests.ports import free_port

PROMETHEUS = shutil.which("prometheus")
DEADLINE_S = 60


@contextmanager
def prometheus(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Its address, once it is ready."""
    settings, port = folder / "prometheus.yaml", free_port()
    settings.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    told = (f"--config.file={settings}", f"--storage.tsdb.path={folder / 'series'}")
    with (folder / "prometheus.log").open("wb") as lines:
        process = subprocess.Popen(
            [str(PROMETHEUS), *told, f"--web.listen-address=127.0.0.1:{port}"], stdout=lines, stderr=lines
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def _wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
    raise AssertionError(log.read_text())


class Recorded(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name that the base gives
        """A scrape each second is no news."""


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """The host and port that hand out the files of a folder."""
    Recorded.extensions_map[".prom"] = "text/plain; version=0.0.4"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Recorded, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
