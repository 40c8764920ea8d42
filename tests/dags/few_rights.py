"""As much of Kubernetes as a step's pod meets: pods and their logs, and a Role that refuses all the rest."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]
Rule = Mapping[str, Sequence[str]]
PODS = re.compile(r"/api/v1/namespaces/([^/]+)/([^/?]+)(?:/([^/]+)(?:/([^/]+))?)?$")
VERBS = {"POST": "create", "GET": "get", "DELETE": "delete", "PATCH": "patch", "PUT": "update"}


@dataclass(frozen=True)
class End:
    """How a pod ends. Before that it may run for some looks at it; its birth may stay unheard of.
    One that is deleted may be seen in some lists more before it is gone. `reason` is that of its container,
    `message` what the node says of the pod."""

    code: int | None = 0  # None: it never starts
    log: str = ""
    looks: int = 0
    unheard: bool = False
    lingers: int = 0
    reason: str | None = None
    message: str | None = None


@dataclass
class Pod:
    made: Object
    end: End
    looks: int = 0
    lists: int = -1  # in which it is seen yet, once it is deleted

    @property
    def name(self) -> str:
        return str(self.made["metadata"]["name"])

    @property
    def verb(self) -> str:
        return str(self.made["spec"]["containers"][0]["args"][2])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.made["metadata"]["labels"])

    @property
    def ended(self) -> bool:
        return self.end.code is not None and self.looks > self.end.looks

    @property
    def phase(self) -> str:
        if self.end.code is None:
            return "Pending"
        return "Running" if not self.ended else "Failed" if self.end.code else "Succeeded"

    def shown(self) -> Object:
        return self.made | {"status": self._status()}

    def _status(self) -> Object:
        now = _now()
        if self.end.code is None:
            full = {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "No room.",
            }
            return {"phase": "Pending", "conditions": [full]}
        state: Object = {"running": {"startedAt": now}}
        if self.ended:
            last = self.end.log.splitlines()[-1:] if self.end.code else []
            ended = {"exitCode": self.end.code, "reason": self.end.reason, "finishedAt": now}
            state = {"terminated": ended | {"message": "".join(last)}}
        container = {"name": "base", "state": state, "ready": False, "restartCount": 0}
        said = {"reason": "Evicted", "message": self.end.message} if self.ended and self.end.message else {}
        statuses = [container | {"image": "", "imageID": ""}]
        return {"phase": self.phase, "containerStatuses": statuses, **said}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Cluster:
    """`rules` are those of a Role. `plan` names the ends of a verb's pods, in the order they are made in."""

    rules: Iterable[Rule]
    plan: Mapping[str, list[End]]
    pods: dict[str, Pod] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    most_at_once: dict[str, int] = field(default_factory=dict)

    def allows(self, resource: str, verb: str) -> bool:
        return any(resource in rule["resources"] and verb in rule["verbs"] for rule in self.rules)

    def answer(self, method: str, address: str, body: Object) -> tuple[int, Object | str]:
        url = urlsplit(address)
        found = PODS.match(url.path)
        verb = VERBS[method]
        if not found or found[1] != "marquee" or not found[2]:
            return self._refuse(f"{verb} {url.path}")
        _, resource, name, below = found.groups()
        verb = "list" if verb == "get" and not name else verb
        what = f"{resource}/{below}" if below else resource
        if not self.allows(what, verb):
            return self._refuse(f"{verb} {what}")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if verb == "create":
            return self._create(body)
        if verb == "list":
            return 200, {"kind": "PodList", "items": [pod.shown() for pod in self._list(query)]}
        if name not in self.pods:
            return 404, _failure(404, f'pods "{name}" not found')
        return self._of_one(verb, below, self.pods[name], query)

    def _refuse(self, what: str) -> tuple[int, Object]:
        self.refused.append(what)
        return 403, _failure(403, f"airflow may not {what}")

    def _create(self, body: Object) -> tuple[int, Object]:
        pod = Pod(body, End())
        if pod.name in self.pods:
            return 409, _failure(409, "AlreadyExists")
        body["metadata"] |= {"creationTimestamp": _now(), "uid": pod.name, "resourceVersion": "1"}
        before = self.made.count(pod.verb)
        ends = self.plan.get(pod.verb) or [End()]
        pod.end = ends[min(before, len(ends) - 1)]
        self.made.append(pod.verb)
        self.pods[pod.name] = pod
        alive = sum(other.verb == pod.verb and not other.ended for other in self.pods.values())
        self.most_at_once[pod.verb] = max(self.most_at_once.get(pod.verb, 0), alive)
        return (504, _failure(504, "the answer was lost")) if pod.end.unheard else (201, pod.shown())

    def _list(self, query: Mapping[str, str]) -> list[Pod]:
        for pod in [pod for pod in self.pods.values() if pod.lists >= 0]:
            pod.lists -= 1
            if pod.lists < 0:
                del self.pods[pod.name]
        chosen = [pod for pod in self.pods.values() if _selects(query.get("labelSelector", ""), pod.labels)]
        phase = query.get("fieldSelector", "").partition("status.phase=")[2]
        return [pod for pod in chosen if phase in ("", pod.phase)]

    def _of_one(self, verb: str, below: str | None, pod: Pod, query: Object) -> tuple[int, Object | str]:
        if verb == "delete":
            return self._delete(pod)
        if below == "log":
            lines = pod.end.log.splitlines()[-int(query.get("tailLines", 10_000)) :]
            stamp = f"{_now()} " if query.get("timestamps") == "True" else ""
            return 200, "".join(f"{stamp}{line}\n" for line in lines)
        pod.looks += 1
        return 200, pod.shown()

    def _delete(self, pod: Pod) -> tuple[int, Object]:
        if pod.ended or not pod.end.lingers:
            return 200, self.pods.pop(pod.name).shown()
        pod.lists = pod.end.lingers
        pod.made["metadata"]["deletionTimestamp"] = _now()
        return 200, pod.shown()


def _selects(selector: str, labels: Mapping[str, str]) -> bool:
    return all(_fits(term, labels) for term in selector.split(",") if term)


def _fits(term: str, labels: Mapping[str, str]) -> bool:
    if term.startswith("!"):
        return term[1:] not in labels
    name, equals, value = re.split(r"(!?=)", term, maxsplit=1)
    return (labels.get(name) == value) is (equals == "=")


def _failure(code: int, message: str) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


class Served:
    """A cluster behind an address, until it is closed."""

    def __init__(self, cluster: Cluster) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or "{}")
                code, answer = cluster.answer(self.command, self.path, body)
                text = answer if isinstance(answer, str) else json.dumps(answer)
                kind = "text/plain" if isinstance(answer, str) else "application/json"
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """What was asked is in the cluster."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
