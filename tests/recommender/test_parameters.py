from dataclasses import asdict, fields
from typing import Any

import pytest

from recommender.errors import BadInput
from recommender.model import DEFAULTS, Parameters, parameters_of
from recommender.parameters import RULES


def test_every_parameter_has_a_rule_and_the_defaults_keep_them() -> None:
    assert set(RULES) == {field.name for field in fields(Parameters)}
    assert parameters_of({"parameters": asdict(DEFAULTS)}) == DEFAULTS
    assert parameters_of({"parameters": {}}) == DEFAULTS


def test_lists_of_json_are_taken() -> None:
    found = parameters_of({"parameters": {"values": [0, 0, 0, 1, 1.2], "rank": None, "ridge": 30}})
    assert found == Parameters(values=(0, 0, 0, 1, 1.2), ridge=30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rank", bad) for bad in ("x", 0, -8, 1.5, True)),
        *(("ridge", bad) for bad in (-1, 0, "27", None, float("nan"), float("inf"), True)),
        *(
            ("values", bad)
            for bad in (1.0, "01234", [0, 0.2, 0.6, 1], [0, 0.2, 0.6, 1, 1.25], [0, 0, 1, 0.4, 1])
        ),
        *(
            ("taste_values", bad)
            for bad in ([0, 0, 0, 1, float("nan")], [0, 0, 0, 1, None], [0, 0, 0, 1, 99])
        ),
        *(("feature_weight", bad) for bad in (-0.1, [2])),
        *(("recency_floor", bad) for bad in (-0.1, 1.1)),
        *(("doubt", -0.1), ("doubt", None), ("doubt_half", 0)),
        *(("recency_span", 0), ("prior", -1), ("prior_half", 0), ("preference", -1), ("dense_limit", 0)),
    ],
)
def test_a_value_that_breaks_a_rule_is_named(name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"'{name}' of the parameters of the model is"):
        parameters_of({"parameters": {"prior": 0.2, name: value}})


@pytest.mark.parametrize("written", [{"ranks": 8}, {"values": [0, 0, 0, 1, 1], "colour": "red"}])
def test_an_unknown_name_is_named(written: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"'(ranks|colour)' is none of the parameters of the model: values"):
        parameters_of({"parameters": written})


def test_what_is_no_table_of_names_is_refused() -> None:
    with pytest.raises(BadInput, match="names with values"):
        parameters_of({"parameters": [1]})
