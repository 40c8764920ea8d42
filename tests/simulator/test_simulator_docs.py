import re
from pathlib import Path

import simulator
from simulator.cli import main


def test_the_verbs_are_the_documented_ones() -> None:
    page = (Path(simulator.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", page, re.MULTILINE) == list(main.commands)
