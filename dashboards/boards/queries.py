"""What a panel asks of Prometheus."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

SOURCE = words.DataSourceRef(type_val="prometheus", uid="${datasource}")
HERE = 'namespace="$namespace"'
OURS = f'{HERE},job="$job"'
AIRFLOW = 'namespace="$airflow"'


@dataclass(frozen=True)
class Query:
    """`{here}` is one install; `{ours}` its API, for names that others use too."""

    expression: str
    legend: str = ""

    @property
    def written(self) -> str:
        placed = (
            self.expression.replace("{here", "{" + HERE)
            .replace("{ours", "{" + OURS)
            .replace("{airflow", "{" + AIRFLOW)
        )
        return placed.replace("[window]", "[$__rate_interval]").replace("[shown]", "[$__range]")

    def target(self, number: int, *, instant: bool, as_table: bool = False) -> prometheus.Dataquery:
        made = prometheus.Dataquery().expr(self.written).legend_format(self.legend or "__auto")
        made = made.datasource(SOURCE).ref_id(chr(ord("A") + number)).editor_mode(QueryEditorMode.CODE)
        made = made.format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
        return made.instant() if instant else made.range()


def rate(counter: str, by: str = "", window: str = "window") -> str:
    """Of all processes together: a process counts for itself."""
    return f"sum{_by(by)} (rate({counter}[{window}]))"


def grown(counter: str, by: str = "", window: str = "shown") -> str:
    return f"sum{_by(by)} (increase({counter}[{window}]))"


def figure(metric: str, by: str = "") -> str:
    """What every process tells alike."""
    return f"max{_by(by)} ({metric})"


def age(metric: str, by: str = "") -> str:
    return f"time() - {figure(metric, by)}"


def share(part: str, whole: str) -> str:
    """Nothing while there is nothing to share; 0 when the part has no series yet."""
    return f"({part} or {whole} * 0) / ({whole} > 0)"


def quantile(which: float, histogram: str, by: str = "", window: str = "window") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({which}, {rate(histogram, labels, window)})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
