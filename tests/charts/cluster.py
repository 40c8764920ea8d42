"""As much of a Kubernetes API server as Helm's `lookup` asks: Secrets that are there, and none else."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from helm_python import Config

from tests.charts.rendering import Object, Release, load

CORE: Object = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [{"name": "secrets", "kind": "Secret", "namespaced": True, "verbs": ["get"]}],
}
AWAY: Object = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
Secrets = Mapping[str, Mapping[str, str]]


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def decoded(secret: Object) -> dict[str, str]:
    """What a Secret holds, whether it was written as data or as stringData."""
    data = {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}
    return {**data, **secret.get("stringData", {})}


def held(release: Release) -> dict[str, str]:
    """What the chart's own Secret holds."""
    return decoded(release.one("Secret", "marquee"))


@contextmanager
def cluster(secrets: Secrets, namespace: str = "marquee") -> Iterator[str]:
    """The address of an API server that knows these Secrets, by name."""
    known = {f"/api/v1/namespaces/{namespace}/secrets/{name}": one for name, one in secrets.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/api/v1":
                self.answer(HTTPStatus.OK, CORE)
            elif path in known:
                metadata = {"name": path.rpartition("/")[2], "namespace": namespace}
                data = encoded(known[path])
                secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
                self.answer(HTTPStatus.OK, secret)
            else:
                self.answer(HTTPStatus.NOT_FOUND, AWAY)

        def answer(self, status: HTTPStatus, body: Object) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name that the base gives
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def upgraded(secrets: Secrets, values: Mapping[str, Any] | None = None, *, name: str = "marquee") -> Release:
    """The chart over a cluster that holds these Secrets."""
    with cluster(secrets) as address, Config(kubeconfig_content=_kubeconfig(address)) as config:
        files = config.render(load(), dict(values or {}), name=name, namespace="marquee", is_upgrade=True)
    return Release(files)


def _kubeconfig(address: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": address}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
    )
