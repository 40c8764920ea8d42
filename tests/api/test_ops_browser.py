"""/ops in a real browser: drawn without a complaint, from this host alone, and usable on a phone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from recommender.local.urls import PerRole
from tests.api.browser import CHROMIUM, Browser, browser
from tests.api.conftest import Service, away, serving
from tests.api.test_ops import QUICK, yesterday
from tests.api.weeks import DAYS, MEASURES, NIGHT, plant

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]
WIDTHS = (360, 768, 1280)
SHOWN = "document.querySelectorAll('#jobs-table tbody tr').length > 0"
FILLED = "document.querySelectorAll('#health dd').length > 0"
CHARTS = ("requests", "latency", "sources", "quality", "rows")
OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TITLE = "document.querySelector('#now-title').textContent"
# A second of requests is a minute of the ring.
FAST = QUICK.replace(
    "api_main.main()",
    """import time
began = time.time()
kind = api.traffic.Traffic
import api.app
api.app.Traffic = lambda metrics: kind(metrics, lambda: began + (time.time() - began) * 60)
api_main.main()""",
)


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def weeks(copied: tuple[PerRole[Engine], Path]) -> Iterator[Service]:
    engines, models = copied
    plant(engines.admin, yesterday(), refusals=3, psi=0.5)
    urls = engines.map(lambda engine: engine.url.render_as_string(hide_password=False))
    with serving(urls, models, {"DATABASE_LIMIT": "1Gi"}, ("-c", FAST)) as service:
        yield service


def asked(service: Service) -> None:
    """For a few minutes of the ring."""
    client = service.client()
    until = minutes(service) + 3
    while minutes(service) < until:
        assert client.post("/recommendations", json={"preferences": {"Animation": 5}}).status_code == 200


def minutes(service: Service) -> int:
    told: Any = service.http.get("/ops/figures").json()["traffic"]
    return len(told["minutes"]["at"]) if told else 0


@pytest.mark.parametrize("dark", [False, True])
def test_a_page_of_four_weeks_is_drawn_at_every_width(weeks: Service, page: Browser, dark: bool) -> None:
    asked(weeks)
    for width in WIDTHS:
        page.look(width, dark=dark)
        page.open(f"{weeks.url}/ops", SHOWN)
        assert page.ask(OVER) <= 0, width
        for chart in CHARTS:
            drawn = (
                f"[...document.querySelectorAll('#{chart} path')].filter((p) => p.getAttribute('d')).length"
            )
            assert page.ask(drawn) > 0, chart
        assert page.ask("document.querySelectorAll('#drift-table svg path').length") == len(MEASURES)
        assert page.ask("document.querySelectorAll('#jobs-table tbody tr').length") == len(NIGHT) + 1
        assert page.ask("document.querySelectorAll('#models-table tbody tr').length") == DAYS
    assert page.errors == []
    assert {address.split("/ops")[0] for address in page.asked} <= {weeks.url, "data:,"}


def test_who_does_not_see_is_told_the_same(weeks: Service, page: Browser) -> None:
    asked(weeks)
    page.look(360)
    page.open(f"{weeks.url}/ops", SHOWN)
    told = page.accessible()
    tables = {name for role, name in told if role == "table"}
    assert {"Drift by measure", "The last run of each job", "Rows of each day"} <= tables
    pictures = [name for role, name in told if role == "image" or role == "img"]
    assert len(pictures) >= len(CHARTS) + len(MEASURES)
    assert all(len(name) > 20 for name in pictures)
    assert all(name for role, name in told if role in ("link", "button", "heading", "columnheader"))
    assert {"Gate", "Samples"} <= {name for role, name in told if role == "columnheader"}


def test_what_needs_a_look_stands_first(weeks: Service, page: Browser) -> None:
    page.look(1280)
    page.open(f"{weeks.url}/ops", SHOWN)
    said = page.ask("document.querySelector('#concerns').innerText")
    assert "The gate refused the last 3 models" in said
    assert "dashboards/runbooks/MarqueeDrift.md" in said
    assert page.ask(TITLE) == "2 things need a look"
    assert "refused" in page.ask("document.querySelector('#models-table tbody tr').innerText")


def test_a_button_shows_the_rest_and_a_key_opens_it(weeks: Service, page: Browser) -> None:
    page.look(1280)
    page.open(f"{weeks.url}/ops", SHOWN)
    visible = "[...document.querySelectorAll('#days-table tbody tr')].filter((line) => !line.hidden).length"
    assert page.ask(visible) < DAYS
    page.ask("document.querySelector('#days-table button').focus()")
    for kind in ("keyDown", "keyUp"):
        page.send(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            text="\r",
            windowsVirtualKeyCode=13,
        )
    page.wait(f"{visible} === {DAYS}")
    assert page.ask("document.activeElement.getAttribute('aria-expanded')") == "true"


def test_a_name_in_the_database_is_only_ever_text(
    weeks: Service, copied: tuple[PerRole[Engine], Path], page: Browser
) -> None:
    name = "<img src=x onerror=\"document.title='taken'\"><b>load</b>"
    with copied[0].admin.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET verb = %s WHERE verb = 'load'", (name,))
    page.look(1280)
    page.open(f"{weeks.url}/ops", f"document.body?.innerText.includes({json.dumps(name)})")
    assert page.ask("document.title") == "Marquee operations"
    assert page.ask("document.querySelectorAll('#jobs-table img, #jobs-table b').length") == 0


def test_without_the_database_it_says_since_when_it_is_old(
    weeks: Service, copied: tuple[PerRole[Engine], Path], page: Browser
) -> None:
    assert weeks.http.get("/ops/figures").status_code == 200
    page.look(360)
    page.open(f"{weeks.url}/ops", SHOWN)
    with away(copied[0]):
        page.wait("document.querySelector('#figures-note').innerText.includes('are as of 20')")
        assert "does not answer" in page.ask("document.querySelector('#concerns').innerText")
        assert page.ask(SHOWN)


def test_a_page_whose_api_is_gone_says_so(weeks: Service, page: Browser) -> None:
    page.look(360)
    page.open(f"{weeks.url}/ops", SHOWN)
    weeks.process.kill()
    page.wait("document.querySelector('#reach').innerText.includes('has not answered since')")
    assert page.ask("getComputedStyle(document.querySelector('#reach')).display") != "none"


def test_a_failure_is_marked_and_not_by_its_colour_alone(service: Service, page: Browser) -> None:
    page.look(360)
    page.open(f"{service.url}/ops", FILLED)
    drawn = page.ask("""import("/ops/charts.js").then(({ stacks }) => {
        const place = document.createElement("div"), said = { names: ["10:00", "10:01"], say: String };
        const failed = { name: "failed", look: "c", marked: true, values: [0, 0.001] };
        stacks(place, { ...said, series: [{ name: "answered", look: "a", values: [9, 9] }, failed] });
        return [...place.querySelectorAll("[role=img] path")].map((path) => path.getAttribute("d"));
    })""")
    assert [path.count("h8l-4 6Z") for path in drawn] == [0, 1]


def test_on_a_phone_a_job_that_failed_is_never_behind_a_button(
    weeks: Service, copied: tuple[PerRole[Engine], Path], page: Browser
) -> None:
    with copied[0].admin.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET outcome = 'failed' WHERE verb <> 'drift'")
    page.look(360)
    page.open(f"{weeks.url}/ops", "document.body?.innerText.includes('The last run failed')")
    hidden = "[...document.querySelectorAll('#jobs-table tbody tr[hidden]')].map((line) => line.innerText)"
    page.wait("document.querySelectorAll('#jobs-table tbody tr[hidden]').length === 1")
    assert "failed" not in page.ask(hidden)[0]


def test_a_fresh_install_has_a_page_without_a_complaint(service: Service, page: Browser) -> None:
    page.look(360)
    page.open(f"{service.url}/ops", FILLED)
    assert "No job has run yet." in page.ask("document.body.innerText")
    assert page.ask(OVER) <= 0
    assert page.errors == []
