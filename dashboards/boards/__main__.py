"""Writes the dashboards, or says which files are not what the code makes."""

import argparse
import sys
from pathlib import Path

from dashboards.boards import BOARDS

FOLDER = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboards.boards", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write them; without it they are compared")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they lie")
    told = parser.parse_args()
    if told.write:
        for board in BOARDS:
            (told.folder / f"{board.name}.json").write_text(board.text(), encoding="utf-8")
        return 0
    files = {told.folder / f"{board.name}.json": board.text() for board in BOARDS}
    different = [file for file, text in files.items() if not file.exists() or file.read_text("utf-8") != text]
    for file in different:
        sys.stderr.write(f"{file.name} is not what dashboards/boards makes: run with --write\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
