"""The summary of a run as tables for a terminal."""

from collections.abc import Iterator, Sequence

from recommender.bench.quality import STRONG, TEMPORAL
from recommender.bench.record import Unit
from recommender.bench.situations import OURS

_HEADS = {STRONG: "Held-out users", TEMPORAL: "In time order"}


def report(about: Unit, summary: Unit) -> str:
    parts = [f"{about['data']}: {about['ratings']:,} ratings, {about['movies']:,} movies"]
    parts += [_protocol(title, summary[protocol]) for protocol, title in _HEADS.items()]
    parts += [_situations(summary["situations"]), _exchange(summary["exchange"]), _swap(summary["swap"])]
    return "\n\n".join(parts)


def _protocol(title: str, rows: Unit) -> str:
    heads = (
        *("model", "NDCG@10", "Recall@10", "marquee ahead by", "coverage", "novelty"),
        *("fit s", "ms a list", "MB"),
    )
    first = rows[OURS]
    named = f"{title}: {first['lists']:,} lists of {first['users']:,} users, {first['threads']} threads"
    return table(named, heads, [_model(name, row) for name, row in rows.items()])


def _model(name: str, row: Unit) -> list[str]:
    return [
        *(name, f"{row['ndcg']:.4f}", f"{row['recall']:.4f}", _ahead(row) if name != OURS else ""),
        *(f"{row['coverage']:.1%}", f"{row['novelty']:.2f}", f"{row['fit_s']:.2f}"),
        *(f"{row['list_ms']:.2f}", f"{row['size_mb']:.1f}"),
    ]


def _ahead(row: Unit) -> str:
    return f"{row['ahead']:+.4f} ± {row['error']:.4f}"


def _situations(situations: Unit) -> str:
    rows = [row for name, found in situations.items() for row in _situation(name, found)]
    heads = ("where little is known", "lists", "marquee", "beside", "NDCG@10", "marquee ahead by")
    return table("Little known, and low ratings: NDCG@10", heads, rows)


def _situation(name: str, found: Unit) -> Iterator[list[str]]:
    told = [name, f"{found['lists']:,}", f"{found['ndcg']:.4f}"]
    for way, row in found["beside"].items():
        yield [*told, way, f"{row['ndcg']:.4f}", _ahead(row)]
        told = ["", "", ""]


def _exchange(exchange: Unit) -> str:
    heads = ("diversity", "NDCG@10", "distance by vectors", "by genres")
    rows = [
        [diversity, f"{row['ndcg']:.4f}", f"{row['distance']:.3f}", f"{row['genre_distance']:.3f}"]
        for diversity, row in exchange.items()
    ]
    return table("Variety within a list", heads, rows)


def _swap(swap: Unit) -> str:
    return (
        f"A retrain with a tenth more users leaves {swap['new']:.1%} of the top ten of users whom it"
        f" does not know,\nand {swap['trained']:.1%} of those whom it learned from: a difference of"
        f" {swap['ahead']:+.1%} ± {swap['error']:.1%}."
    )


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    numbers = [i > 0 and (rows[0][i][:1] + "0")[0] in "+-0123456789" for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        placed = zip(cells, widths, numbers, strict=True)
        return "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in placed).rstrip()

    return "\n".join([title, line(heads), line(["-" * width for width in widths]), *map(line, rows)])
