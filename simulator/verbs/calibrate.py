"""The verb calibrate."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import click

from simulator.calibration import distances, read_sample, simulated
from simulator.calibration_plot import check_plot, write_plot
from simulator.errors import SimulatorError
from simulator.history import movies_of, replacing

_UNTIL = date(2026, 1, 1)


@click.command()
@click.option(
    "--like", type=click.Path(path_type=Path), required=True, help="A MovieLens folder: real viewers."
)
@click.option("--viewers", type=click.IntRange(1), help="How many to simulate; as many as are real.")
@click.option("--seed", type=click.IntRange(0), default=7, help="The same seed draws the same viewers.")
@click.option("--out", type=click.Path(path_type=Path), help="A picture, .svg or .png.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the numbers here too.")
def calibrate(like: Path, viewers: int | None, seed: int, out: Path | None, json_file: Path | None) -> None:
    """Compare simulated viewers with real ones: stars, activity, popularity.

    They are shown the movies of the same folder. How much better than popularity a model does is measured on
    a folder that `history` writes.
    """
    if out:
        check_plot(out)
    try:
        movies = movies_of((like / "movies.csv").read_bytes(), "movies.csv", seed)
    except OSError as error:
        raise SimulatorError(f"{error.filename}: {error.strerror}.") from error
    real = read_sample(like)
    ours = simulated(movies, viewers or len(real.activity), seed, _UNTIL)
    about = {"real": real.figures(), "simulated": ours.figures(), "distances": distances(real, ours)}
    click.echo(table(about["real"], about["simulated"], about["distances"]))
    if out:
        write_plot(out, real, ours, f"{like.name} and as many simulated viewers (seed {seed})")
    if json_file:
        with replacing(json_file) as file:
            file.write(json.dumps(about, indent=2).encode() + b"\n")


def table(real: Mapping[str, float], ours: Mapping[str, float], apart: Mapping[str, float]) -> str:
    rows = [f"{'':40} {'real':>9} {'simulated':>9}"]
    rows += [f"{name:40} {shown(value):>9} {shown(ours[name]):>9}" for name, value in real.items()]
    rows += ["", "distance, 0 to 1", *(f"{name:40} {value:>9.3f}" for name, value in apart.items())]
    return "\n".join(rows)


def shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"
