"""What the two objectives count, as rules/slo.yaml does."""

from dashboards.boards.queries import grown, share

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
