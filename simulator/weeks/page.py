"""What the weeks showed: as a table for the terminal, as a picture, and as one page."""

from collections.abc import Iterable, Sequence
from html import escape

from simulator.bench_tables import aligned
from simulator.weeks.compare import MEASURES, WORLDS, Comparison
from simulator.weeks.plots import Line, by_seed, over_time, picture

HEAD = ["", *MEASURES, "models"]
READING = """\
Regret: how much more the viewer would truly like the ten best titles that are left than the ten that
were shown, a title; one unit is about the spread of the viewer's liking over the catalogue. NDCG: 1 is
the ten best titles in their order, 0 is none above average. Served: true liking of what was shown.
Taken: titles taken a list; pleasure: true liking of those. Models: how many the gate let pass. Coverage
and Gini: the share of the catalogue that was shown at all, and how unevenly. Bands are standard errors
over seeds, bars 95 % intervals."""
CSS = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .7rem;text-align:right;"
    "border-bottom:1px solid #ddd}th:first-child,td:first-child{text-align:left}svg{width:100%;height:auto}"
    "code{font-size:13px}"
)
Table = Sequence[Sequence[str]]


def summary(found: Comparison) -> str:
    sections = [aligned(worlds(found)), aligned(weeks(found)), "\n".join(map(str, found.all_paired()))]
    return "\n\n".join(section for section in sections if section)


def worlds(found: Comparison) -> Table:
    return [
        HEAD,
        *(
            [WORLDS[w], *(f"{found.mean(w, m):.3f}" for m in MEASURES), f"{found.models(w):.1f}"]
            for w in found.worlds
        ),
    ]


def weeks(found: Comparison) -> Table:
    means = {world: found.over(world, "weeks", "regret").mean(axis=0) for world in found.worlds}
    head = ["regret in week", *(str(week + 1) for week in range(found.about["weeks"]))]
    return [head, *([WORLDS[world], *(f"{value:.3f}" for value in mean)] for world, mean in means.items())]


def versions(found: Comparison) -> Table:
    """Of the first seed of the world that learns."""
    world, seed = found.worlds[0], found.seeds[0]
    rows = found.runs[world, seed]["versions"]
    head = ["model version", "lists", *MEASURES]
    return [
        head,
        *(
            [row["version"] or "none", str(row["lists"]), *(f"{row[name]:.3f}" for name in MEASURES)]
            for row in rows
        ),
    ]


def drawn(found: Comparison) -> str:
    def panel(title: str, measure: str) -> str:
        lines = [Line.of(WORLDS[world], found.over(world, "days", measure)) for world in found.worlds]
        return over_time(title, "day", lines)

    panels = [
        panel("Regret a title: less is better", "regret"),
        panel("Oracle NDCG@10: more is better", "ndcg"),
        panel("Share of the catalogue shown in a day", "coverage"),
    ]
    if paired := [pair for pair in found.all_paired() if pair.measure == "regret"]:
        rows = {f"than {WORLDS[pair.other]}": (pair.ahead, pair.low, pair.high) for pair in paired}
        title = f"How much less regret: {WORLDS[found.worlds[0]]}"
        panels.append(by_seed(title, "regret a title; a dot is a seed", rows))
    return picture(panels)


def page(found: Comparison) -> str:
    about, seeds = found.about, ", ".join(map(str, found.seeds))
    nights = "every night" if about["every"] == 1 else f"every {about['every']} nights"
    title = f"{about['weeks']} weeks, {about['viewers']:,} viewers at the opening, {about['titles']:,} titles"
    told = "".join(f"<li>{escape(str(pair))}</li>" for pair in found.all_paired())
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>Marquee: simulated weeks</title><style>{CSS}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f"<p>{about['joining']:g} viewers join a day, {about['new_titles']:.0%} of the titles come after"
            f" the opening; what learns daily does so {nights}. Seeds: {seeds}.</p>",
            f"<ul>{told}</ul>",
            drawn(found),
            html(worlds(found)),
            html(weeks(found)),
            "<h2>By model version</h2>",
            f"<p>{WORLDS[found.worlds[0]].capitalize()}, seed {found.seeds[0]}.</p>",
            html(versions(found)),
            f"<h2>How to read it</h2><p>{escape(READING)}</p></body></html>",
            "",
        ]
    )


def html(table: Table) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head, *rows = table
    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
