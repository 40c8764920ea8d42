"""What the two objectives count, as rules/slo.yaml does."""

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.boards.panels import Look, high_is_well, stat_panel
from dashboards.boards.queries import Query, grown, share

COUNTED = 'handler!~"none|/ops.*"'
INTERACTIVE = 'handler!~"none|/ops.*|/token|/create-client|/ratings|/recommendations/batch|.*/export"'
SECONDS = "http_request_duration_seconds"

COUNTED_REQUESTS = f"http_requests_total{{ours,{COUNTED}}}"
COUNTED_ERRORS = f'http_requests_total{{ours,{COUNTED},status=~"5.."}}'
FAST = f'{SECONDS}_bucket{{ours,{INTERACTIVE},le="0.25"}}'
ANSWERED = f"{SECONDS}_count{{ours,{INTERACTIVE}}}"

WITHOUT_ERROR = f"1 - {share(grown(COUNTED_ERRORS), grown(COUNTED_REQUESTS))}"
WITHIN_250_MS = share(grown(FAST), grown(ANSWERED))


def budget_left(bad: str, whole: str, allowed: float) -> str:
    """Of what may go wrong in 30 days, the share that has not."""
    gone_wrong, counted = (f"sum_over_time({rule}{{here}}[30d])" for rule in (bad, whole))
    return f"1 - {gone_wrong} / ({counted} > 0) / {allowed}"


def answered(title: str, description: str) -> Panel:
    return _objective(title, description, WITHOUT_ERROR, (0.99, 0.999), "MarqueeErrorsBurnFast")


def at_once(title: str, description: str) -> Panel:
    return _objective(title, description, WITHIN_250_MS, (0.95, 0.99), "MarqueeLatencyBurnFast")


def _objective(title: str, description: str, good: str, limits: tuple[float, float], runbook: str) -> Panel:
    return stat_panel(
        title,
        description,
        "percentunit",
        Query(good),
        limits=high_is_well(*limits),
        runbook=runbook,
        look=Look(4, 4, decimals=2),
        empty="no requests",
    )
