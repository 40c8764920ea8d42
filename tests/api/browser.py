"""A headless Chromium that is told what to do over a pipe: pages of any width, and what they did."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
)
DEADLINE_S = 60.0


class Browser:
    """One page. `errors` is what it complained of, `asked` every address that it asked for."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._rest, self._number = to, back, b"", 0
        self._session: str | None = None
        self.errors: list[str] = []
        self.asked: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        command |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            message = self._message()
            if message.get("id") == self._number:
                assert "result" in message, message
                return message["result"]
            self._note(message)
        raise AssertionError(f"no answer to {method}")

    def _message(self) -> Any:
        while b"\0" not in self._rest:
            assert select([self._back], [], [], DEADLINE_S)[0], "the browser is silent"
            some = os.read(self._back, 1 << 20)
            assert some, "the browser ended"
            self._rest += some
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def _note(self, message: Any) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])

    def close(self) -> None:
        """Its children have written what they write when it ended."""
        self._session = None
        self.send("Browser.close")

    def look(self, width: int, *, dark: bool = False) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def open(self, url: str, ready: str) -> None:
        """``ready`` is a condition of the page."""
        self.send("Page.navigate", url=url)
        self.wait(ready)

    def wait(self, condition: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not self.ask(condition):
            assert time.monotonic() < deadline, f"{condition}: {self.errors}"

    def ask(self, expression: str) -> Any:
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of each thing that a screen reader is told of."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        told = (node for node in nodes if not node.get("ignored"))
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in told]

    def picture(self, file: Path, height: int | None = None) -> None:
        """Of the whole page, or of its upper part."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, "width": size["width"], "height": height or size["height"]}
        told = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """``folder`` is where it keeps what it keeps."""
    assert CHROMIUM is not None
    (theirs_in, to), (back, theirs_out) = os.pipe(), os.pipe()
    opened = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "-", CHROMIUM]
    process = subprocess.Popen(
        [*opened, *OPTIONS, f"--user-data-dir={folder}"],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        page = Browser(to, back)
        yield page
        page.close()
        process.wait(DEADLINE_S)
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        os.close(to)
        os.close(back)
