"""Raw HTTP: bytes go out piece by piece, and stop going out once an answer is there."""

import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from select import select

from simulator.wire import LENGTH

LONGEST_S = 30.0
PIECE = 1 << 16
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Told:
    status: int | None  # None: the connection was closed without a word
    sent: int  # bytes after the head that the server's side took before the answer was there
    seconds: float
    closed: bool  # whether the server closed the connection after it
    answer: bytes


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def pieces(body: bytes) -> Iterable[bytes]:
    return (body[start : start + PIECE] for start in range(0, len(body), PIECE))


def chunked(parts: Iterable[bytes]) -> Iterable[bytes]:
    for part in parts:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def talk(
    address: tuple[str, int],
    first: bytes,
    body: Iterable[bytes] = (),
    wait_s: float = 0.0,
    *,
    end: bool = False,
) -> Told:
    """Waits so long after each piece for an early answer. `end`: says that nothing follows."""
    began, sent = time.monotonic(), 0
    with socket.create_connection(address, timeout=LONGEST_S) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            line.sendall(first)
            for piece in body:
                if select([line], [], [], wait_s)[0]:
                    break
                line.sendall(piece)
                sent += len(piece)
            if end:
                line.shutdown(socket.SHUT_WR)
        except TimeoutError:
            raise
        except OSError:
            pass  # closed, and perhaps answered before
        answer, closed = _answer(line)
    answer = answer.removeprefix(CONTINUE)
    status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None
    return Told(status, sent, time.monotonic() - began, closed, answer)


def _answer(line: socket.socket) -> tuple[bytes, bool]:
    """All of it, and whether the server closes the connection then."""
    data = b""
    try:
        while not _whole(data):
            part = line.recv(PIECE)
            if not part:
                return data, True
            data += part
        readable = select([line], [], [], 0.0)[0] or b"connection: close" in data.lower()
        return data, bool(readable)
    except ConnectionError:
        return data, True


def _whole(data: bytes) -> bool:
    head, gap, body = data.removeprefix(CONTINUE).partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    return bool(gap and length) and len(body) >= int(length[1]) if length else False
