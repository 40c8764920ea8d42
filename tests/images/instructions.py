"""The Dockerfile as a list of instructions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "Dockerfile"
TARGETS = ("marquee", "airflow", "postgres")


@dataclass(frozen=True)
class Instruction:
    stage: str
    word: str
    rest: str

    @property
    def source_paths(self) -> Sequence[str]:
        """Of a COPY out of the build's context."""
        words = self.rest.split()
        if self.word != "COPY" or words[0].startswith("--from="):
            return ()
        return [word for word in words[:-1] if not word.startswith("--")]


def instructions() -> Iterator[Instruction]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stage = ""
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.partition(" AS ")[2]
        if word:
            yield Instruction(stage, word, " ".join(rest.split()))


def of(stage: str, word: str) -> list[str]:
    return [found.rest for found in instructions() if (found.stage, found.word) == (stage, word)]
