"""Bodies that nobody honest sends, for each route that reads one."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import api

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LONG = 100_000
PLACE = "here stands what is hostile"
KINDS = ("text/plain", "multipart/form-data", "multipart/form-data; boundary=", "application/", "\\")
CHARSETS = ("none such", "utf-16", "utf-7", "rot13", "zlib")

# As JSON writes them, for any field of a body.
VALUES = {
    "nothing": "null",
    "true": "true",
    "empty list": "[]",
    "empty object": "{}",
    "empty text": '""',
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "beyond a double": "1e400",
    "below a double": "-1e400",
    "nearly nothing": "1e-400",
    "minus nothing": "-0.0",
    "beyond a bigint": "9223372036854775808",
    "below a bigint": "-9223372036854775809",
    "5,000 digits": "7" * 5_000,
    "400 digits": "7" * 400,
    "half a pair": '"\\ud800"',
    "the other half": '"\\udc00\\ud800"',
    "NUL": '"\\u0000"',
    "NUL within": '"Al\\u0000ien"',
    "a control": '"\\u001b[2J\\u0085\\u2028"',
    "right to left": '"\\u202e\\u2066neila"',
    "marks on marks": json.dumps("Z" + "\u0335\u0334\u0310" * 90),
    "beyond the plane": json.dumps("\U0001f9db\u200d\u2642\ufe0f" * 50, ensure_ascii=False),
    "no character": '"\\uffff\\ufffe\\ufdd0"',
    "SQL": '"\'; DROP TABLE users; --"',
    "a format": '"%s%(x)s{0.__class__}\\\\$1"',
    "a path": '"../../../../etc/passwd"',
    "first year": '"0001-01-01T00:00:00+23:59"',
    "year of five digits": '"99999-01-01T00:00:00Z"',
    "long text": json.dumps("x" * LONG),
    "long text of one space": json.dumps(" " * LONG),
    "100,000 numbers": "[" + "1," * (LONG - 1) + "1]",
    "20,000 small keys": "{" + ",".join(f'"{n}":1' for n in range(20_000)) + "}",
    "lists, 500 deep": "[" * 500 + "]" * 500,
    "objects, 500 deep": '{"a":' * 500 + "1" + "}" * 500,
    "lists, 50,000 deep": "[" * 50_000 + "]" * 50_000,
    "objects, 50,000 deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
}
# As forms write them.
FORM_VALUES = {
    "half a percent": b"%",
    "no hex": b"%zz",
    "NUL": b"%00",
    "no UTF-8": b"%ff%c0%af",
    "half a pair": b"%ed%a0%80",
    "long text": b"x" * LONG,
    "long percents": b"%41" * LONG,
    "SQL": b"';--",
}


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    kind: str  # content type
    example: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Hostile:
    name: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def routes() -> list[Route]:
    """Those that read a body, of the committed document."""
    said = json.loads((Path(api.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
    schemas = said["components"]["schemas"]
    return [
        Route(method.upper(), path, kind, _example(schemas[content["schema"]["$ref"].rpartition("/")[2]]))
        for path, methods in said["paths"].items()
        for method, operation in methods.items()
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
    ]


def _example(schema: Any) -> dict[str, Any]:
    if "examples" in schema:
        return dict(schema["examples"][0])
    return {name: of["examples"][0] for name, of in schema["properties"].items()}


def bodies(route: Route, *, everywhere: bool) -> Iterator[Hostile]:
    """With each value in every place of the body and in every guise, or in one each."""
    plain = written(route.example, route.kind)
    yield Hostile("nothing at all")
    for name, body in _broken(plain).items():
        yield Hostile(name, body)
    for kind in KINDS:
        yield Hostile(f"as {kind}", plain, {"Content-Type": kind})
    for charset in CHARSETS if everywhere else CHARSETS[:1]:
        yield Hostile(f"in {charset}", plain, {"Content-Type": f"{route.kind}; charset={charset}"})
    yield Hostile("packed", gzip.compress(plain * 1000), {"Content-Encoding": "gzip"})
    yield from _parts()
    yield from _fields(route, everywhere) if route.kind == JSON else _form(route, everywhere)


def written(example: Any, kind: str) -> bytes:
    if kind == JSON:
        return json.dumps(example).encode()
    return "&".join(f"{name}={quote_plus(str(value))}" for name, value in example.items()).encode()


def _broken(plain: bytes) -> dict[str, bytes]:
    return {
        "the half": plain[: len(plain) // 2],
        "twice": plain * 2,
        "spaces": b" " * LONG,
        "a byte order mark": b"\xef\xbb\xbf" + plain,
        "UTF-16": plain.decode().encode("utf-16"),
        "UTF-32": plain.decode().encode("utf-32"),
        "no UTF-8": plain.replace(b"i", b"\xff\xc0\xaf\xed\xa0\x80"),
        "zeros": b"\x00" * LONG,
        "every byte": bytes(range(256)) * 40,
    }


def _parts() -> Iterator[Hostile]:
    """Forms of many parts, and one that never ends."""
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nnorth\r\n'
    file = b'--x\r\nContent-Disposition: form-data; name="password"; filename="p"\r\n\r\n'
    yield Hostile("10,000 parts", part * 10_000 + b"--x--\r\n", kind)
    yield Hostile("a part without an end", file + b"y" * LONG, kind)
    yield Hostile("a file for a word", part + file + b"y\r\n--x--\r\n", kind)
    yield Hostile("5,000 heads of a part", b"--x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n", kind)


def _fields(route: Route, everywhere: bool) -> Iterator[Hostile]:
    places = list(leaves(route.example))
    for turn, (name, value) in enumerate(VALUES.items()):
        for place in places if everywhere else [places[turn % len(places)]]:
            whole = json.dumps(placed(route.example, place))
            body = whole.replace(json.dumps(PLACE), value).encode()
            yield Hostile(f"{name} at {'.'.join(map(str, place)) or 'the top'}", body)
    yield from _keys(route)


def _keys(route: Route) -> Iterator[Hostile]:
    text, first = json.dumps(route.example)[1:], next(iter(route.example))
    for name, keys in {
        "a key twice": f'"{first}": null, ',
        "a key 20,000 times": f'"{first}": [], ' * 20_000,
        "a key of half a pair": '"\\ud800": 1, ',
        "a key of NUL": '"\\u0000": 1, ',
        "a long key": f'"{"k" * LONG}": 1, ',
        "a key of Python": '"__class__": {}, "__proto__": 1, ',
    }.items():
        yield Hostile(name, ("{" + keys + text).encode())


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in it, its own first."""
    yield place
    within: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        within = value.items()
    elif isinstance(value, list):
        within = enumerate(value)
    for key, part in within:
        yield from leaves(part, (*place, key))


def placed(value: Any, place: tuple[Any, ...]) -> Any:
    if not place:
        return PLACE
    key, *rest = place
    changed = value.copy()
    changed[key] = placed(value[key], tuple(rest))
    return changed


def _form(route: Route, everywhere: bool) -> Iterator[Hostile]:
    example = written(route.example, FORM)
    names = list(route.example)
    for turn, (said, text) in enumerate(FORM_VALUES.items()):
        for name in names if everywhere else [names[turn % len(names)]]:
            yield Hostile(f"{said} in {name}", example + b"&" + name.encode() + b"=" + text)
    yield Hostile("100,000 fields", b"a=1&" * LONG + example)
    yield Hostile("500,000 separators", b"&" * (5 * LONG))
    yield Hostile("a field 50,000 times", b"username=x&" * 50_000 + example)
