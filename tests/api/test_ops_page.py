"""The page of /ops loads nothing from elsewhere, and can run nothing that the database holds."""

import re
from pathlib import Path

import pytest

from api import ops
from api.http_metrics import PROBES
from tests.api.test_ops_access import ask, served

FILES = sorted(ops.FOLDER.iterdir())
SCRIPTS = [file for file in FILES if file.suffix == ".js"]


def test_the_policy_lets_only_our_own_files_run() -> None:
    app = served()
    for file in FILES:
        policy = ask(app, "/ops" if file.suffix == ".html" else f"/ops/{file.name}").headers
        rules = dict(rule.strip().split(" ", 1) for rule in policy["Content-Security-Policy"].split(";"))
        assert rules["default-src"] == "'none'"
        assert {rules[each] for each in ("script-src", "style-src", "connect-src")} == {"'self'"}
        assert {rules[each] for each in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
        assert policy["X-Content-Type-Options"] == "nosniff"
        assert policy["Cross-Origin-Resource-Policy"] == "same-origin"
        assert (policy["Cache-Control"], policy["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert [name for name in policy if name.startswith("access-control-")] == []


def test_the_page_has_no_script_style_or_handler_within_it() -> None:
    page = (ops.FOLDER / ops.PAGE).read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|javascript:", page) == []
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {link for link in links if not link.startswith(("/ops/", "#"))} == {"data:,"}
    for name in (link.removeprefix("/ops/") for link in links if "." in link):
        assert (ops.FOLDER / name).is_file(), name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_a_script_writes_nothing_but_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\.style\b", text
    )
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}
    for imported in re.findall(r'from "\./([^"]+)"', text):
        assert (ops.FOLDER / imported).is_file(), imported


def test_every_route_of_the_page_is_left_out_of_the_figures() -> None:
    routes = {str(getattr(route, "path", "")) for route in served().routes}
    paths = {path for path in routes if path.startswith("/ops")}
    assert paths == {"/ops", "/ops/figures", "/ops/{file}"}
    assert paths <= PROBES
