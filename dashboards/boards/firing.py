"""What fires now, as a table."""

from grafana_foundation_sdk.models import dashboard as model

from dashboards.boards.panels import RUNBOOKS, Column, Look, low_is_well, stat_panel, table_panel
from dashboards.boards.queries import Query

FIRING = 'ALERTS{alertstate="firing",alertname=~"(Marquee|Airflow).*"'
BY = "alertname, severity, part, namespace"


def firing_count(part: str = "") -> model.Panel:
    return stat_panel(
        "Alerts firing",
        "Alerts of Marquee that fire now, in every install; the table names them. 0 is well.",
        "none",
        Query(f"count({_firing(part)}) or vector(0)"),
        limits=low_is_well(1, 2),
    )


def firing_table(part: str = "", look: Look | None = None) -> model.Panel:
    """`part` is a regular expression of the alerts' label."""
    panel = table_panel(
        "What fires",
        "Each alert that fires now and since when it has been so. The Runbooks board says what to do "
        "about it.",
        [
            Column("alertname", "alert"),
            Column("severity", "severity"),
            Column("namespace", "namespace"),
            Column("Value", "since", "dateTimeFromNow"),
        ],
        Query(f"1000 * min by ({BY}) (ALERTS_FOR_STATE and ignoring(alertstate) {_firing(part)})"),
        look=look or Look(10, 8),
        empty="Nothing fires.",
    )
    panel.links = [model.DashboardLink(title="Runbooks", url=RUNBOOKS, tags=[])]
    return panel


def _firing(part: str) -> str:
    return FIRING + (f',part=~"{part}"}}' if part else "}")
