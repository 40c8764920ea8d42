"""Images that are built and started as the chart starts them, by whichever engine is here."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex

from tests.images.instructions import ROOT

BUILD_S = 1800
# Pod Security "restricted", and no more to write than an emptyDir at /tmp.
CONFINED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")  # noqa: S108
LABELS = {"VERSION": "0.0.0", "REVISION": token_hex(20), "CREATED": "2026-01-01T00:00:00Z"}


def missing() -> str | None:
    """Why nothing can be built here."""
    if not (shutil.which("podman") or shutil.which("docker")):
        return "neither podman nor docker is here"
    if "MARQUEE_TEST_BASE" not in os.environ:
        return "MARQUEE_TEST_BASE names no image to build on (images/README.md)"
    return None


@dataclass(frozen=True)
class Container:
    engine: "Engine"
    name: str

    def log(self) -> str:
        done = self.engine("logs", self.name)
        return done.stdout + done.stderr

    def inside(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.engine("exec", *_variables(env or {}), self.name, *words, check=False)

    def signal(self, name: str) -> None:
        self.engine("kill", "--signal", name, self.name)

    def wait(self, within_s: float) -> int:
        """Its exit code."""
        return int(self.engine("wait", self.name, within_s=within_s).stdout.split()[-1])

    @property
    def running(self) -> bool:
        return self.engine("inspect", "--format", "{{.State.Running}}", self.name).stdout.strip() == "true"

    def until(self, seen: Callable[[], bool], within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while not seen():
            assert time.monotonic() < deadline and self.running, self.log()


@dataclass(frozen=True)
class Engine:
    tag: str

    @cached_property
    def program(self) -> str:
        return shutil.which("podman") or shutil.which("docker") or ""

    def __call__(
        self, *words: str | Path, check: bool = True, within_s: float = 300
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, *words], capture_output=True, text=True, timeout=within_s, cwd=ROOT
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done

    def image(self, target: str) -> str:
        return f"localhost/marquee-test-{target}:{self.tag}"

    def build(self, target: str) -> None:
        arguments = LABELS | {"BASE": os.environ["MARQUEE_TEST_BASE"]}
        words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        more = shlex.split(os.environ.get("MARQUEE_TEST_BUILD", ""))
        self("build", "--target", target, *words, *more, "-t", self.image(target), ".", within_s=BUILD_S)

    def _words(self, target: str, more: tuple[str, ...], env: Mapping[str, str]) -> list[str]:
        podman = ["--read-only-tmpfs=false"] if self.program.endswith("podman") else []
        return [*podman, *CONFINED, "--network", "host", *more, *_variables(env), self.image(target)]

    def run(
        self, target: str, *words: str, more: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """To its end, whatever that is."""
        return self("run", "--rm", *self._words(target, more, env or {}), *words, check=False)

    @contextmanager
    def started(
        self, target: str, *words: str, more: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> Iterator[Container]:
        name = f"marquee-test-{token_hex(4)}"
        self("run", "--detach", "--name", name, *self._words(target, more, env or {}), *words)
        try:
            yield Container(self, name)
        finally:
            self("rm", "--force", "--volumes", name)

    @contextmanager
    def volume(self) -> Iterator[str]:
        name = f"marquee-test-{token_hex(4)}"
        self("volume", "create", name)
        try:
            yield name
        finally:
            self("volume", "rm", "--force", name)


def _variables(env: Mapping[str, str]) -> list[str]:
    return [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
