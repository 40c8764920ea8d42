"""The server of one process. Told to stop it says so, goes on for a while, finishes what it has and ends."""

import asyncio
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.health import missing
from api.platform import Platform

log = logging.getLogger("marquee.api")
HEAD_LIMIT = 1 << 16  # bytes that the first line and the headers of a request may have
# Longer than proxies keep an idle connection (Traefik 90 s, nginx and ALB 60 s), so that it is never we who
# close one that a request is on its way through.
KEEP_ALIVE_S = 95
FINISH_S = 10  # for requests that are being worked on when nothing new is accepted any more
LAST_S = 0.2  # for what a connection had brought by then and nobody had read


class Server(uvicorn.Server):
    def __init__(self, app: FastAPI, host: str, port: int, drain_s: float) -> None:
        super().__init__(_config(app, host, port))
        self._app, self._drain_s = app, drain_s
        self._until: float | None = None  # when draining ends

    @property
    def _here(self) -> Platform:
        here: Platform = self._app.state.platform
        return here

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal's form
        """Only sets what the loop looks at: a signal comes amid anything. A second one ends the draining."""
        if sig == signal.SIGTERM and self.started and self._drain_s and self._until is None:
            self._until = time.monotonic() + self._drain_s
        elif sig == signal.SIGINT and self.should_exit:
            self.force_exit = True
        else:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        stock = self._here.shelf.stock
        has = f"{len(stock.catalogue)} movies and model {stock.version or 'none'}."
        log.info("listening at %s with %s", self._address(), " ".join([has, *missing(self._here.shelf)]))

    def _address(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def on_tick(self, counter: int) -> bool:
        if self._until is not None:
            if not self._here.standing.stopping:
                self._here.standing.stop()
                log.info("draining for %g s: answering, and closing each connection after it", self._drain_s)
            self.should_exit |= time.monotonic() >= self._until
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._here.standing.stop()
        for server in self.servers:
            server.close()
        await asyncio.sleep(LAST_S)
        await super().shutdown(sockets)
        log.info("stopped after %d requests", self.server_state.total_requests)


def _config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="h11",  # httptools has no bound on headers; h11 takes 0.08 ms a request longer
        h11_max_incomplete_event_size=HEAD_LIMIT,
        loop="uvloop",
        log_config=None,  # logs.py has set the whole process up; starts and stops are told above
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_S,
    )
