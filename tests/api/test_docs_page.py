"""/docs as a browser would get it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def test_the_docs_page_asks_no_other_host(service: Any) -> None:
    page = service.http.get("/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    assert all(link.startswith("/") for link in links), links


def test_what_the_docs_page_needs_is_there(service: Any) -> None:
    page = service.http.get("/docs").text
    for link in [*re.findall(r'(?:src|href)="([^"]+)"', page), "/openapi.json"]:
        assert service.http.get(link).status_code == 200, link


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_a_browser_shows_every_route_of_the_contract(service: Any, tmp_path: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
    shown = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path}", "--dump-dom", f"{service.url}/docs"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    paths = set(re.findall(r'data-path="([^"]+)"', shown))
    assert paths == set(service.http.get("/openapi.json").json()["paths"])
