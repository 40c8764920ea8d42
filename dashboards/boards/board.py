"""A board: rows of panels, put on the grid, with the variables and links that all boards have."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import Dataquery

from dashboards.boards.panels import identity
from dashboards.boards.queries import SOURCE

COLUMNS = 24
EDITOR = "PrometheusVariableQueryEditor-VariableQuery"  # so that it can be opened there


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[model.Panel]


@dataclass(frozen=True)
class Variable:
    """One install, or one program of it, as the label of a series tells."""

    name: str
    title: str
    query: str
    description: str
    hidden: bool = False


NAMESPACE = Variable(
    "namespace",
    "Install",
    "label_values(marquee_ready, namespace)",
    "The namespace of the Marquee that is looked at.",
)
JOB = Variable(
    "job", "Job", 'label_values(marquee_ready{namespace="$namespace"}, job)', "Its API's job.", hidden=True
)


@dataclass(frozen=True)
class Board:
    name: str
    title: str
    description: str
    sources: Sequence[str]
    rows: Callable[[], Sequence[Row]]
    variables: Sequence[Variable] = (NAMESPACE, JOB)
    since: str = "now-6h"

    @cached_property
    def dashboard(self) -> model.Dashboard:
        made = build.Dashboard(f"Marquee: {self.title}").uid(f"marquee-{self.name}").tags(["marquee"])
        made = made.description(self.description).time(self.since, "now").refresh("1m").timezone("utc")
        made = made.tooltip(model.DashboardCursorSync.CROSSHAIR).link(_among_themselves())
        for variable in _variables(self.variables):
            made = made.with_variable(variable)
        built = made.build()
        built.panels = list(_placed(self.rows()))
        return built

    @property
    def panels(self) -> list[model.Panel]:
        """Without the rows' own titles."""
        return [panel for row in self.rows() for panel in row.panels]

    @property
    def expressions(self) -> list[str]:
        targets = [target for panel in self.panels for target in panel.targets or ()]
        return [target.expr for target in targets if isinstance(target, Dataquery)]

    def text(self) -> str:
        plain = json.loads(json.dumps(self.dashboard, cls=JSONEncoder), object_hook=_without_noise)
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


# What the kit writes though it says nothing, or that Grafana 13 has elsewhere; the placement is a shut menu.
NOISE = {
    "auto": False,
    "auto_min": "10s",
    "auto_count": 30,
    "repeatDirection": "h",
    "footer": {"show": False, "reducer": [], "countRows": False},
    "placement": "inControlsMenu",
}


def _without_noise(node: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in node.items() if key not in NOISE or NOISE[key] != value}


def _placed(rows: Sequence[Row]) -> Iterator[model.Panel | model.RowPanel]:
    """From left to right, below the line of their row."""
    top = 0
    for row in rows:
        made = build.Row(row.title).id(identity(f"row {row.title}")).collapsed(False).build()
        made.grid_pos = model.GridPos(h=1, w=COLUMNS, x=0, y=top)
        made.panels = []
        top = _place(row.panels, top + 1)
        yield made
        yield from row.panels


def _place(panels: Sequence[model.Panel], top: int) -> int:
    left = height = 0
    for panel in panels:
        place = panel.grid_pos or model.GridPos()
        if left + place.w > COLUMNS:
            top, left, height = top + height, 0, 0
        place.x, place.y = left, top
        left, height = left + place.w, max(height, place.h)
    return top + height


def _among_themselves() -> build.DashboardLink:
    made = build.DashboardLink("Marquee").type(model.DashboardLinkType.DASHBOARDS).tags(["marquee"])
    return made.as_dropdown(False).include_vars(True).keep_time(True).icon("external link")


def _variables(named: Sequence[Variable]) -> Iterator[build.DatasourceVariable | build.QueryVariable]:
    if not named:
        return
    yield build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    for one in named:
        made = build.QueryVariable(one.name).label(one.title).description(one.description)
        made = made.query({"qryType": 1, "query": one.query, "refId": EDITOR}).datasource(SOURCE)
        made = made.hide(model.VariableHide.HIDE_VARIABLE if one.hidden else model.VariableHide.DONT_HIDE)
        yield made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
            model.VariableSort.ALPHABETICAL_ASC
        )
