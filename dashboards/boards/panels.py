"""The vocabulary of the boards: short functions that make one panel each."""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from grafana_foundation_sdk.builders import common, stat, table, text, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.text import TextMode

from dashboards.boards.queries import SOURCE, Query

RUNBOOKS = "/d/marquee-runbooks"

Limits = model.ThresholdsConfig


def identity(name: str) -> int:
    """The same number for the same name, wherever it stands and whatever is added."""
    return crc32(name.encode()) % 900_000 + 100_000


def low_is_well(orange: float, red: float) -> Limits:
    return _limits(("green", None), ("orange", orange), ("red", red))


def high_is_well(orange: float, green: float) -> Limits:
    """Red below `orange`, green from `green`."""
    return _limits(("red", None), ("orange", orange), ("green", green))


def _limits(*steps: tuple[str, float | None]) -> Limits:
    marks = [model.Threshold(color=color, value=value) for color, value in steps]
    return model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=marks)


PLAIN = _limits(("blue", None))


def link(title: str, url: str) -> build.DashboardLink:
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).keep_time(True)


def runbook_url(alert: str) -> str:
    return f"{RUNBOOKS}?viewPanel={identity(alert)}"


def to_runbook(alert: str) -> build.DashboardLink:
    return link(f"Runbook: {alert}", runbook_url(alert))


@dataclass(frozen=True)
class Look:
    """How wide and high a panel is, of 24 columns, and what its numbers may be."""

    width: int = 8
    height: int = 8
    decimals: int | None = None
    least: float | None = None
    most: float | None = None


def stat_panel(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Limits = PLAIN,
    runbook: str = "",
    look: Look | None = None,
    empty: str = "no data",
    names: bool = False,
) -> model.Panel:
    """One number, or one for each series when `names` are shown."""
    values = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    made = stat.Panel().unit(unit).no_value(empty).reduce_options(values)
    made = made.graph_mode(words.BigValueGraphMode.NONE).thresholds(_given(limits))
    made = made.color_mode(words.BigValueColorMode.VALUE if names or limits is PLAIN else BACKGROUND)
    made = made.text_mode(words.BigValueTextMode.VALUE_AND_NAME if names else words.BigValueTextMode.VALUE)
    made = made.targets([one.target(number, instant=True) for number, one in enumerate(queries)])
    return _finished(made, title, description, runbook, look or Look(4, 4))


BACKGROUND = words.BigValueColorMode.BACKGROUND_SOLID


def series_panel(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Limits | None = None,
    runbook: str = "",
    look: Look | None = None,
    stacked: bool = False,
    empty: str = "no data",
) -> model.Panel:
    """Lines over time; `limits` are drawn as dashed lines."""
    look = look or Look(least=0)
    made = timeseries.Panel().unit(unit).no_value(empty).line_width(1).fill_opacity(40 if stacked else 8)
    made = made.show_points(words.VisibilityMode.AUTO).span_nulls(False).stacking(_stacking(stacked))
    shown = common.VizLegendOptions().show_legend(True).calcs(["lastNotNull", "max"])
    made = made.legend(
        shown.display_mode(words.LegendDisplayMode.TABLE).placement(words.LegendPlacement.BOTTOM)
    )
    tips = common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI)
    made = made.tooltip(tips.sort(words.SortOrder.DESCENDING))
    if limits:
        dashed = common.GraphThresholdsStyleConfig().mode(words.GraphThresholdsStyleMode.DASHED)
        made = made.thresholds(_given(limits)).thresholds_style(dashed)
    if look.least is not None:
        made = made.min(look.least)
    if look.most is not None:
        made = made.max(look.most)
    made = made.targets([one.target(number, instant=False) for number, one in enumerate(queries)])
    return _finished(made, title, description, runbook, look)


@dataclass(frozen=True)
class Column:
    """A column of a table: its field in the answer, what stands above it, and how its values are shown."""

    field: str
    title: str
    unit: str = ""
    limits: Limits | None = None

    @property
    def shown_as(self) -> list[model.DynamicConfigValue]:
        found = [model.DynamicConfigValue("unit", self.unit)] if self.unit else []
        if self.limits:
            found.append(model.DynamicConfigValue("thresholds", self.limits))
            colored = {"type": "color-text"}
            found.append(model.DynamicConfigValue("custom.cellOptions", colored))
        return found


def table_panel(
    title: str,
    description: str,
    columns: Sequence[Column],
    *queries: Query,
    runbook: str = "",
    look: Look | None = None,
    empty: str = "no data",
) -> model.Panel:
    """One row for each set of labels; the value of query A is the field `Value`, or `Value #A` of several."""
    made = (
        table.Panel()
        .cell_options(words.TableAutoCellOptions())
        .no_value(empty)
        .targets([one.target(number, instant=True, as_table=True) for number, one in enumerate(queries)])
    )
    for step in _steps(columns, several=len(queries) > 1):
        made = made.with_transformation(step)
    for column in columns:
        if column.shown_as:
            made = made.override_by_name(column.title, column.shown_as)
    return _finished(made, title, description, runbook, look or Look(12, 8))


def _steps(columns: Sequence[Column], *, several: bool) -> list[model.DataTransformerConfig]:
    """Only the named columns, in their order."""
    merge = [model.DataTransformerConfig(id_val="merge", options={})] if several else []
    kept = {"include": {"names": [column.field for column in columns]}}
    order = {
        "indexByName": {column.field: place for place, column in enumerate(columns)},
        "renameByName": {column.field: column.title for column in columns},
        "excludeByName": {},
    }
    return [
        *merge,
        model.DataTransformerConfig(id_val="filterFieldsByName", options=kept),
        model.DataTransformerConfig(id_val="organize", options=order),
    ]


def text_panel(title: str, description: str, content: str, look: Look) -> model.Panel:
    made = text.Panel().mode(TextMode.MARKDOWN).content(content)
    return _finished(made, title, description, "", look)


Builder = stat.Panel | timeseries.Panel | table.Panel | text.Panel


def _finished(made: Builder, title: str, description: str, runbook: str, look: Look) -> model.Panel:
    made = made.title(title).description(description).id(identity(title)).datasource(SOURCE)
    made = made.grid_pos(model.GridPos(w=look.width, h=look.height))
    if runbook:
        made = made.links([to_runbook(runbook)])
    if look.decimals is not None and not isinstance(made, text.Panel):
        made = made.decimals(look.decimals)
    return made.build()


def _stacking(stacked: bool) -> common.StackingConfig:
    mode = words.StackingMode.NORMAL if stacked else words.StackingMode.NONE
    return common.StackingConfig().mode(mode).group("A")


def _given(limits: Limits) -> build.ThresholdsConfig:
    return build.ThresholdsConfig().mode(limits.mode).steps(limits.steps)
