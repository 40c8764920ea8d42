"""HTTP/1.1 as bare as it gets, so that what is timed is the server and not its client."""

import asyncio
import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
CHUNK = 65_536


class LineError(Exception):
    """The connection ended, or what came was not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    last: bool  # the server closes the connection after it


def request(url: SplitResult, token: str, method: str, path: str, body: Any = None) -> bytes:
    """The whole request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body).encode()
    head = [
        f"{method} {url.path.rstrip('/')}{path} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        f"Authorization: Bearer {token}",
        "Accept: application/json",
    ]
    if content:
        head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*head, "", ""]).encode() + content


def parse(data: bytes) -> Answer | None:
    """The answer, or None while some of it is still on its way."""
    head, gap, body = data.partition(b"\r\n\r\n")
    if not gap:
        return None
    if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
        raise LineError("not HTTP")
    length = LENGTH.search(head)
    if not length:
        raise LineError("no Content-Length")
    whole = len(body) >= int(length[1])
    return Answer(int(head[9:12]), body, CLOSE.search(head) is not None) if whole else None


def address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "127.0.0.1", url.port or (443 if url.scheme == "https" else 80)


def tls(url: SplitResult) -> ssl.SSLContext | None:
    return ssl.create_default_context() if url.scheme == "https" else None


def line_error(error: Exception) -> LineError:
    if isinstance(error, TimeoutError):
        return LineError("timed out")
    return error if isinstance(error, LineError) else LineError("no connection")


class Line:
    """One blocking keep-alive connection. `open` it beforehand to time an answer alone."""

    def __init__(self, url: SplitResult, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        self._socket: socket.socket | None = None

    def open(self) -> socket.socket:
        if self._socket is None:
            plain = socket.create_connection(address(self._url), self._timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = tls(self._url)
            self._socket = (
                context.wrap_socket(plain, server_hostname=self._url.hostname) if context else plain
            )
        return self._socket

    def ask(self, content: bytes) -> Answer:
        try:
            answer = self._exchange(content)
        except (OSError, LineError) as error:
            self.close()
            raise line_error(error) from error
        if answer.last:
            self.close()
        return answer

    def _exchange(self, content: bytes) -> Answer:
        line = self.open()
        line.sendall(content)
        data = b""
        while True:
            part = line.recv(CHUNK)
            if not part:
                raise LineError("connection closed")
            data += part
            answer = parse(data)
            if answer:
                return answer

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None


class AsyncLine:
    """The same for an event loop; a connection that the server closed meanwhile is opened anew."""

    def __init__(self, url: SplitResult) -> None:
        self._url = url
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, content: bytes) -> Answer:
        answer: Answer | None = None
        try:
            answer = await self._exchange(content)
        finally:
            # Also when cancelled: an answer that comes too late must not be taken for the next one's.
            if answer is None or answer.last:
                self.close()
        return answer

    async def _exchange(self, content: bytes) -> Answer:
        reader, writer = await self._open()
        writer.write(content)
        data = b""
        while True:
            part = await reader.read(CHUNK)
            if not part:
                raise LineError("connection closed")
            data += part
            answer = parse(data)
            if answer:
                return answer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams and self._streams[0].at_eof():
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*address(self._url), ssl=tls(self._url))
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None
