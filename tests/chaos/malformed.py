"""Requests that are no HTTP, or are more of it than anybody needs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.talk import chunked, head

MANY = 10_000
EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Malformed:
    name: str
    first: bytes
    body: Iterable[bytes] = ()


def requests(headers: Mapping[str, str]) -> Iterator[Malformed]:
    """`headers` are those of a good request."""
    yield from _lengths(headers)
    yield from _chunks(headers)
    yield from _heads(headers)
    yield from _tokens(headers)
    yield from _addresses(headers)
    for name, first in {
        "zeros": b"\0" * 100_000,
        "line ends": b"\r\n" * 50_000,
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        "HTTP/0.9": b"GET /movies\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9.9": b"GET /movies HTTP/9.9\r\nHost: x\r\n\r\n",
        "no host": b"GET /movies HTTP/1.1\r\n\r\n",
    }.items():
        yield Malformed(name, first)


def _post(headers: Mapping[str, str], path: str = "/recommendations", **more: str) -> bytes:
    return head("POST", path, {**headers, **{name.replace("_", "-"): value for name, value in more.items()}})


def _lengths(headers: Mapping[str, str]) -> Iterator[Malformed]:
    for length in ("-1", "+2", "1e3", "0x2", "2, 2", "2, 3", "\xb2", "9" * 400, ""):
        yield Malformed(f"length {length[:9]}", _post(headers, Content_Length=length), [EMPTY])
    yield Malformed("less than said", _post(headers, Content_Length="100"), [EMPTY])
    yield Malformed("more than said", _post(headers, Content_Length="2"), [EMPTY, b"more\r\n\r\n"])
    twice = _post(headers, Content_Length="2").replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n")
    yield Malformed("two lengths", twice, [EMPTY])
    both = _post(headers, Content_Length="2", Transfer_Encoding="chunked")
    yield Malformed("a length and chunks", both, chunked([EMPTY]))


def _chunks(headers: Mapping[str, str]) -> Iterator[Malformed]:
    for name, body in {
        "of a byte": b"1\r\nx\r\n" * MANY + b"0\r\n\r\n",
        "with a long word": b"2;" + b"x" * 200_000 + b"\r\n{}\r\n0\r\n\r\n",
        "of 16 digits": b"F" * 16 + b"\r\n{}",
        "of 400 digits": b"F" * 400 + b"\r\n{}",
        "less than none": b"-2\r\n{}\r\n0\r\n\r\n",
        "without an end": b"2\r\n{}",
        "with a tail": b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * MANY + b"\r\n",
        "that are none": EMPTY,
    }.items():
        yield Malformed(f"chunks {name}", _post(headers, Transfer_Encoding="chunked"), [body])
    yield Malformed("packed chunks", _post(headers, Transfer_Encoding="gzip, chunked"), chunked([EMPTY]))


def _heads(headers: Mapping[str, str]) -> Iterator[Malformed]:
    for name, more in {
        "of 200,000 bytes": {"X": "y" * 200_000},
        "of 60,000 bytes": {"X": "y" * 60_000},
        "4,000 times": {f"X{n}": "y" for n in range(4_000)},
        "of NUL": {"X": "a\0b"},
        "of Latin-1": {"X": "\xff\xfe"},
        "that asks to go on": {"Expect": "100-continue"},
        "that asks for another protocol": {"Upgrade": "websocket", "Connection": "Upgrade"},
        "of an id of Latin-1": {"X-Request-ID": "\xff\xfe"},
        "of a key of Latin-1": {"Idempotency-Key": "\xff\xfe"},
        "of a long key": {"Idempotency-Key": "k" * 1000},
        "of an empty key": {"Idempotency-Key": ""},
        "of an odd address": {"X-Forwarded-For": "::1, ::ffff:0:0, 999.1.1.1, \xff" * 100},
    }.items():
        told = {name.replace("-", "_"): value for name, value in more.items()}
        yield Malformed(f"a header {name}", _post(headers, Content_Length="2", **told), [EMPTY])


def _tokens(headers: Mapping[str, str]) -> Iterator[Malformed]:
    nested, listed = "W1tb" * 10_000, "WzFd"  # "[[[" and "[1]"
    for name, token in {
        "Latin-1": "\xff\xfe", "long": "a.b." * MANY, "empty": "e30.e30.e30", "deep": f"{nested}.e30.e30",
        "a list": f"{listed}.e30.e30", "many": "a." * MANY, "no part": "..",
    }.items():  # fmt: skip
        told = _post(headers, Content_Length="2", Authorization=f"Bearer {token}")
        yield Malformed(f"a token: {name}", told, [EMPTY])


def _addresses(headers: Mapping[str, str]) -> Iterator[Malformed]:
    for method, path in (
        ("GET", "/" + "a" * 60_000), ("GET", "/" + "a" * 100_000), ("P" * 5_000, "/recommendations"),
        ("P\xffST", "/recommendations"), ("OPTIONS", "*"), ("CONNECT", "a:443"), ("GET", "http://a/movies"),
        ("GET", "/movies?query=%00"), ("GET", "/movies?query=%ed%a0%80"), ("GET", "/movies?query=%25"),
        ("GET", "/movies?cursor=%ff"), ("GET", "/movies?cursor=e30"), ("GET", "/movies?limit=1e400"),
        ("GET", "/movies?limit=NaN"), ("GET", "/movies?limit=" + "9" * 5_000), ("GET", "/movies?genre=%00"),
        ("GET", "/movies/%00"), ("GET", "/movies/9223372036854775808"), ("GET", "/movies/1/similar?k=1e9"),
        ("GET", "/users/0x10"), ("DELETE", "/users/%F0"), ("GET", "/users/1/history?offset=-1"),
        ("GET", "/users/1/history?offset=9223372036854775807"), ("GET", "/recommendations/export?day=%00"),
        ("GET", "/recommendations/export?day=99999-01-01"), ("GET", "/recommendations/export?day=0000-00-00"),
    ):  # fmt: skip
        yield Malformed(f"{method[:9]} {path[:40]}", head(method, path, headers))
