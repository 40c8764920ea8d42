"""/ops: a page for operators, and what it shows as JSON. From inside only, and without anybody's data."""

import json
import math
import re
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.concerns import concerns, strength
from api.figures import Figures
from api.health import missing
from api.inside import InsideRoute
from api.metrics import RELEASE
from api.platform import Platform
from api.shelf import SCHEMA
from recommender.histories import Rows

FOLDER = Path(__file__).parent / "ops_page"
KINDS = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
PAGE = "ops.html"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NEWEST = "marquee_newest_day_timestamp_seconds"
POD = re.compile(r".+-[bcdf-hj-np-tv-xz2-9]{6,10}-[bcdf-hj-np-tv-xz2-9]{5}")  # NAME-HASH-CHANCE
KINDS_OF_DAYS = ("loaded", "trained", "champion", "lists", "drift", "exposure")


def add_ops(app: FastAPI) -> None:
    files = {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in KINDS}

    def sent(name: str) -> Response:
        return Response(files[name], headers=HEADERS, media_type=KINDS[Path(name).suffix])

    async def page(_: Request) -> Response:
        return sent(PAGE)

    async def file(request: Request) -> Response:
        if (name := request.path_params["file"]) not in files or name == PAGE:
            raise HTTPException(404)
        return sent(name)

    async def figures(request: Request) -> Response:
        body = json.dumps(_finite(told(request.app.state.platform, time.time())), allow_nan=False)
        return Response(body, headers=HEADERS, media_type="application/json")

    for path, endpoint in (("/ops", page), ("/ops/figures", figures), ("/ops/{file}", file)):
        app.router.routes.append(InsideRoute(path, endpoint, methods=["GET"]))


def told(here: Platform, now: float) -> dict[str, Any]:
    """Of memory only: neither the database nor a lock is waited for."""
    figures, counted = here.figures.last, _counted(here.metrics.registry)
    histories = figures.histories if figures else {}
    parts = {
        "now": now,
        "process": _process(counted),
        "health": _health(here),
        "traffic": here.traffic.told(),
        "figures": {"read_at": figures and figures.read_at, "troubled": here.figures.troubled},
        "models": histories.get("models"),
        "refusals": figures and figures.value("marquee_gate_refusals_in_a_row"),
        "trained": figures and figures.value("marquee_model_trained_timestamp_seconds", "champion"),
        "newest": {kind: figures and figures.value(NEWEST, kind) for kind in KINDS_OF_DAYS},
        "days": histories.get("days"),
        "rejects": _rejects(figures),
        "drift": _drift(histories.get("drift")),
        "spread": histories.get("spread"),
        "jobs": histories.get("jobs"),
        "database": _database(here, figures, counted),
    }
    return parts | {"concerns": [asdict(concern) for concern in concerns(parts)]}


def _counted(registry: CollectorRegistry) -> Mapping[str, float]:
    """Each over all its labels; 0 where there is none."""
    totals = defaultdict[str, float](float)
    for sample in (sample for family in registry.collect() for sample in family.samples):
        totals[sample.name] += sample.value
    return totals


def _process(counted: Mapping[str, float]) -> dict[str, Any]:
    return {
        "pod": pod_of(socket.gethostname()),
        "release": RELEASE,
        "python": sys.version.split()[0],
        "started": counted["process_start_time_seconds"],
        "memory": counted["process_resident_memory_bytes"],
        "rate_limited": counted["marquee_rate_limited_total"],
    }


def pod_of(host: str) -> str | None:
    """A Deployment's pod tells which process this is; the name of a person's machine is nobody's business."""
    return host if POD.fullmatch(host) else None


def _health(here: Platform) -> dict[str, Any]:
    shelf = here.shelf
    return {
        "status": here.standing.status,
        "missing": list(missing(shelf)),
        "database": "away" if shelf.database_away else "ok",
        "model": shelf.stock.version,
        "champion": shelf.wanted,
        "movies": len(shelf.stock.catalogue),
        "schema": shelf.schema,
        "schema_needed": SCHEMA,
    }


def _rejects(figures: Figures | None) -> list[dict[str, Any]]:
    """Of the newest day, the most frequent first."""
    samples = figures.samples if figures else ()
    found = [each for each in samples if each.metric == "marquee_day_rejected_rows"]
    ordered = sorted(found, key=lambda each: (-each.value, each.labels))
    return [{"rule": each.labels[0], "rows": each.value} for each in ordered]


def _drift(rows: Rows | None) -> list[dict[str, Any]] | None:
    """Rows come by measure, the newest day first."""
    if rows is None:
        return None
    grouped = (list(some) for _, some in groupby(rows, lambda row: row["measure"]))
    return [_measure(some) for some in grouped]


def _measure(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    newest = rows[0]
    history = [{"day": row["day"], "psi": row["psi"], "samples": row["samples"]} for row in rows[::-1]]
    return {**newest, "verdict": strength(newest["psi"], newest["samples"]), "history": history}


def _database(here: Platform, figures: Figures | None, counted: Mapping[str, float]) -> dict[str, Any]:
    postgres = figures and figures.histories["postgres"]
    return {
        "postgres": postgres[0]["version"] if postgres else None,
        "bytes": figures and figures.value("marquee_database_bytes"),
        "limit": here.settings.database_limit,
        "users": figures and figures.value("marquee_table_rows", "users"),
        "ratings": figures and figures.value("marquee_table_rows", "ratings"),
        "pool_size": counted["marquee_database_pool_size"],
        "pool_in_use": counted["marquee_database_pool_in_use"],
        "pool_waits": counted["marquee_database_pool_waits_total"],
        "pool_wait_s": counted["marquee_database_pool_wait_seconds_total"],
    }


def _finite(value: Any) -> Any:
    """JSON has no other numbers; a figure that is none is not known."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
