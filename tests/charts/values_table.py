"""The table of values in the chart's README: `python -m tests.charts.values_table --write` writes it anew."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import yaml

from tests.charts.rendering import CHART

README = CHART / "README.md"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
MARK = "# -- "


@dataclass(frozen=True)
class Entry:
    path: tuple[str, ...]
    default: object
    sentence: str

    @property
    def key(self) -> str:
        return ".".join(self.path)

    def row(self) -> str:
        default = json.dumps(self.default, ensure_ascii=False).replace("|", "\\|")
        return f"| `{self.key}` | `{default}` | {self.sentence.replace('|', chr(92) + '|')} |\n"


@cache
def entries() -> list[Entry]:
    """Each key of values.yaml that has a sentence, and each leaf that is below none."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text, yaml.CSafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_entries(root, (), text.splitlines()))


def _entries(node: yaml.MappingNode, above: tuple[str, ...], lines: list[str]) -> Iterator[Entry]:
    for key, value in node.value:
        path = (*above, str(key.value))
        sentence = _sentence(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not sentence:
            yield from _entries(value, path, lines)
        else:
            yield Entry(path, _value(value), sentence)


def _sentence(lines: list[str], line: int) -> str:
    """The comment that ends right above a line, if it begins with the mark."""
    words: list[str] = []
    for text in reversed([one.strip() for one in lines[:line]]):
        if text.startswith(MARK):
            return " ".join([text.removeprefix(MARK), *reversed(words)])
        if not text.startswith("# "):
            break
        words.append(text.removeprefix("# "))
    return ""


def _value(node: yaml.Node) -> object:
    return yaml.safe_load(yaml.serialize(node))


def table() -> str:
    rows = "".join(entry.row() for entry in entries())
    return f"| Key | Default | What it is |\n|---|---|---|\n{rows}"


def with_table(page: str) -> str:
    """The page with its table made anew, between the two marks."""
    before, after = page.split(BEGIN)
    return before + BEGIN + table() + END + after.split(END)[1]


def main() -> None:
    if sys.argv[1:] == ["--write"]:
        README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(table())


if __name__ == "__main__":
    main()
