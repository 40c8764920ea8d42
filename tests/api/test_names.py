"""Every metric and label that a rule or a panel takes from the API is told by a busy one."""

from dashboards.boards import BOARDS
from tests.api.conftest import Service, until
from tests.api.test_metrics_page import busy as busy  # the fixture
from tests.dashboards.sources import exposed, faults, known
from tests.dashboards.test_names import ASKED


def test_what_rules_and_boards_take_from_the_api_is_there(busy: Service) -> None:
    told = exposed(until(busy, "/metrics", lambda answer: "marquee_figures_timestamp" in answer.text).text)
    uses = {use for _, sources, asked in ASKED if "api" in sources for use in asked}
    of_the_api = {use for use in uses if use.metric in known("api")}
    assert len({use.metric for use in of_the_api}) > 40
    assert len(BOARDS) > 4
    assert sorted({fault for use in of_the_api for fault in faults(use, [told])}) == []
