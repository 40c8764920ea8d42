"""The colours of /ops can be told apart, with any eyes, on the ground of either theme."""

import re
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from api import ops

Colour = NDArray[np.float64]
STYLE = (ops.FOLDER / "ops.css").read_text(encoding="utf-8")
THEMES = [dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", block)) for block in STYLE.split(":root")[1:]]
BESIDE = ("abc", "aed", "adec")  # looks of the stacks, in their order
# Linear RGB as it is seen without one of the three cones: Machado, Oliveira and Fernandes, 2009.
EYES = {
    "all cones": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(name: str) -> Colour:
    digits = name[1:] if len(name) == 7 else "".join(2 * digit for digit in name[1:])
    parts = np.array([*bytes.fromhex(digits)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(name)) + 0.05 for name in (one, other))
    return high / low


def lab(seen: Colour) -> Colour:
    x, y, z = np.cbrt(np.clip(TO_XYZ @ seen / TO_XYZ.sum(axis=1), 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: str, other: str, eye: Colour) -> float:
    seen = [lab(np.clip(eye @ linear(name), 0, 1)) for name in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_what_is_stacked_on_another_differs_from_it(theme: dict[str, str], eye: str) -> None:
    for looks in BESIDE:
        for one, other in pairwise(looks):
            assert apart(theme[one], theme[other], EYES[eye]) >= 20, (one, other)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_every_colour_stands_out_from_the_card(theme: dict[str, str]) -> None:
    for look in "abcde":
        assert contrast(theme[look], theme["card"]) >= 3, look
    for words in ("ink", "soft", "good", "bad", "look", "link"):
        assert contrast(theme[words], theme["card"]) >= 4.5, words


def test_the_stacks_are_those_of_the_page() -> None:
    script = (ops.FOLDER / "parts.js").read_text(encoding="utf-8")
    drawn = re.findall(r"stacks\(.*?series: \[(.*?)\],\n", script, re.DOTALL)
    assert tuple("".join(re.findall(r'look: "(\w)"', series)) for series in drawn) == BESIDE
