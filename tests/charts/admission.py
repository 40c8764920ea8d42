"""The admission policy of a release as Kubernetes applies it, without a cluster."""

from functools import cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_optional, ext_strings  # type: ignore[import-untyped]

from tests.charts.rendering import Object, Release

SCHEDULER = "system:serviceaccount:airflow:airflow-scheduler"


def policy(release: Release) -> Object:
    (found,) = release.all("ValidatingAdmissionPolicy")
    return found


def refused(release: Release, pod: Object, user: str = SCHEDULER) -> dict[str, str]:
    """What the one who creates the pod in the release's namespace is told, by the rule that says it."""
    spec = policy(release)["spec"]
    variables: Object = {}
    data = {"object": pod, "request": {"userInfo": {"username": user}}, "variables": variables}
    if not all(_value(one["expression"], data) for one in spec["matchConditions"]):
        return {}
    for one in spec["variables"]:
        variables[one["name"]] = _value(one["expression"], data)
    broken = [rule for rule in spec["validations"] if not _value(rule["expression"], data)]
    return {rule["expression"]: _message(rule, data) for rule in broken}


def _message(rule: Object, data: Object) -> str:
    return str(rule["message"] if "message" in rule else _value(rule["messageExpression"], data))


def _value(expression: str, data: Object) -> Any:
    result = _compiled(expression).eval(data=data)
    assert result.type() != cel.Type.ERROR, f"{expression}: {result.value()}"
    return result.plain_value()


@cache
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)


@cache
def _environment() -> Any:
    """Of the libraries that Kubernetes adds, the two that it shares with everybody."""
    names = dict.fromkeys(("object", "request", "variables"), cel.Type.DYN)
    return cel.NewEnv(variables=names, extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()])
