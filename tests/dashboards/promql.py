"""What an expression asks for: metrics, the labels it selects and groups by, and how it adds up."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import promql_parser as promql

MADE = ("label_replace", "label_join")  # functions that give a label


@dataclass(frozen=True, slots=True)
class Use:
    """A metric with the labels that are asked of it, by matchers or by the aggregations around it."""

    metric: str
    labels: frozenset[str]


@cache
def parsed(expression: str) -> Any:
    """Raises where it does not parse, or adds what cannot be added."""
    return promql.parse(expression)


def nodes(tree: Any, kind: type | tuple[type, ...]) -> list[Any]:
    found: list[Any] = []
    promql.walk(tree, lambda node: found.append(node) if isinstance(node, kind) else None)
    return found


def metrics(tree: Any) -> set[str]:
    return {str(one.name) for one in nodes(tree, promql.VectorSelector)}


def uses(tree: Any) -> Iterator[Use]:
    for one in nodes(tree, promql.VectorSelector):
        yield Use(str(one.name), frozenset(matcher.name for matcher in one.matchers.matchers))
    for one in nodes(tree, promql.AggregateExpr):
        yield from _grouped(one)


def _grouped(aggregate: Any) -> Iterator[Use]:
    """Of a single metric the labels are asked; of several nobody can say which one must have them."""
    inside = metrics(aggregate.expr)
    if len(inside) == 1:
        yield Use(inside.pop(), frozenset(by(aggregate)) - given(aggregate.expr))


def by(aggregate: Any) -> set[str]:
    modifier = aggregate.modifier
    if modifier is None:
        return set()
    assert modifier.type == promql.AggModifierType.By, "without() keeps labels that nobody listed"
    return set(modifier.labels)


def groupings(tree: Any) -> list[set[str]]:
    return [by(one) for one in nodes(tree, promql.AggregateExpr)]


def matchers(tree: Any) -> Iterator[tuple[str, str, str]]:
    """Metric, label and what the label is compared with."""
    for one in nodes(tree, promql.VectorSelector):
        yield from ((str(one.name), matcher.name, matcher.value) for matcher in one.matchers.matchers)


def given(tree: Any) -> set[str]:
    """Labels that the expression itself makes."""
    return {call.args[1].val for call in nodes(tree, promql.Call) if call.func.name in MADE}


def aggregations(tree: Any, operator: str) -> Iterator[tuple[Any, set[str]]]:
    """Each with the metrics that it adds up."""
    for one in nodes(tree, promql.AggregateExpr):
        if str(one.op) == operator:
            yield one, metrics(one.expr)


def calls(tree: Any, *names: str) -> set[str]:
    """Metrics inside of these functions."""
    found = (metrics(call) for call in nodes(tree, promql.Call) if call.func.name in names)
    return set().union(*found)
