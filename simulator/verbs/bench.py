"""The verb bench."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from simulator.account import signed_in, split_url
from simulator.bench import CONNECTIONS, Outcomes, open_loop, service_time
from simulator.bench_tables import half_table, memory_line, open_loop_table, saturation_table, service_table
from simulator.bench_traffic import MIXED, SCENARIOS, STORED_USERS, Traffic
from simulator.errors import SimulatorError
from simulator.report import ByScenario, Measured, Requirement, figures, summary
from simulator.saturation import SLICES, Saturated, Spent, saturate, spent

MANY_USERS = 100  # at saturation: two requests seldom are for the same one


def read_requirements(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[Requirement, ...]:
    try:
        return tuple(Requirement.parse(text) for text in texts)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--url",
    "urls",
    multiple=True,
    default=["http://127.0.0.1:8000"],
    help="The API's address; repeated, each is a process of the same service and gets as much.",
)
@click.option("--username", required=True, help="A registered client.")
@click.option("--password", envvar="MARQUEE_PASSWORD", show_envvar=True, required=True, help="Its password.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=10.0, help="Length of each measurement."
)
@click.option(
    "--rate", type=click.FloatRange(0), default=50.0, help="Requests a second in the open loop; 0 skips it."
)
@click.option(
    "--saturation",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds of each scenario as fast as it is answered, then at half of that; 0 skips both.",
)
@click.option(
    "--connections", type=click.IntRange(1), default=16, help="That ask at once as fast as they are answered."
)
@click.option(
    "--seed", type=click.IntRange(0), default=7, help="Decides the histories, the order and the schedule."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the numbers here too.")
@click.option(
    "--require",
    "requirements",
    metavar="SCENARIO<=RATIO",
    multiple=True,
    callback=read_requirements,
    help="Exit status 1 when the median takes longer than so many times the no-op's; SCENARIO>=RATIO: when"
    " it is answered less often at saturation; SCENARIO.p99<=RATIO: of the p99 at half of that.",
)
def bench(
    urls: tuple[str, ...],
    username: str,
    password: str,
    seconds: float,
    rate: float,
    saturation: float,
    connections: int,
    seed: int,
    json_file: Path | None,
    requirements: tuple[Requirement, ...],
) -> None:
    """Measure a running API against a request that only checks the token (noop).

    stored: recommendations for a user that the API knows. new: for a history of 50, stored as a new user.
    more: for a stored user and 5 more ratings. batch: for 10 stored users. similar: movies like one.
    mixed: all of these as viewers ask. The users that the measurement adds are deleted at its end.
    """
    rng = np.random.default_rng(seed)
    with signed_in(urls[0], username, password) as account:
        traffic = Traffic(account, rng, [split_url(url) for url in urls[1:]])
        try:
            traffic.settle(MANY_USERS if saturation else STORED_USERS)
            service = measure_service(traffic, seconds, rng)
            loop = measure_open_loop(traffic, seconds, rate, rng) if rate else {}
            taken = (
                measure_saturation(traffic, saturation, connections, rng) if saturation else ({}, {}, None)
            )
        finally:
            users = clean_up(traffic)
    measured = Measured(service, loop, *taken)
    if json_file:
        about = {
            "url": urls[0],
            "urls": list(urls),
            "seconds": seconds,
            "rate": rate,
            "saturation": saturation,
        }
        save(json_file, about | summary(measured, requirements) | users)
    for requirement in requirements:
        click.echo(requirement.verdict(measured))
    if not all(requirement.met(measured) for requirement in requirements):
        raise click.exceptions.Exit(1)


def measure_service(traffic: Traffic, seconds: float, rng: np.random.Generator) -> ByScenario:
    click.echo(f"Service time: one connection, one request after the other, {seconds:g} s")
    service = figures(service_time(traffic, seconds, rng))
    click.echo(service_table(service) + "\n")
    return service


def measure_open_loop(traffic: Traffic, seconds: float, rate: float, rng: np.random.Generator) -> ByScenario:
    click.echo(
        f"Open loop: {rate:g} requests a second in all, up to {CONNECTIONS} connections, {seconds:g} s,"
        " timed from when each was due"
    )
    loop = figures(open_loop(traffic, seconds, rate, rng))
    click.echo(open_loop_table(loop) + "\n")
    return loop


def measure_saturation(
    traffic: Traffic, seconds: float, connections: int, rng: np.random.Generator
) -> tuple[dict[str, Saturated], ByScenario, Spent]:
    scenarios = (*SCENARIOS, MIXED)
    click.echo(f"Saturation: {connections} connections, {seconds:g} s of each scenario, in turns")
    with tqdm(desc="Saturating", unit=" turns", disable=None) as bar:
        found = saturate(traffic, scenarios, seconds, connections, rng, bar.update)
    click.echo(saturation_table(found) + "\n")
    click.echo(f"Half of it: each scenario in the open loop at half of its rate, {seconds:g} s, in turns")
    half = figures(measure_half(traffic, found, seconds, rng))
    click.echo(half_table(half))
    ending = spent(traffic.urls)
    click.echo(memory_line(ending) + "\n")
    return found, half, ending


def measure_half(
    traffic: Traffic, found: dict[str, Saturated], seconds: float, rng: np.random.Generator
) -> Outcomes:
    """In turns, as saturation was."""
    outcomes: Outcomes = {scenario: [] for scenario in found}
    for scenario in tqdm([*found] * SLICES, desc="At half", unit=" turns", disable=None):
        turn = open_loop(traffic, seconds / SLICES, found[scenario].rate / 2, rng, [scenario])
        outcomes[scenario] += turn[scenario]
    return outcomes


def clean_up(traffic: Traffic) -> dict[str, int]:
    added = traffic.added()
    deleted = traffic.leave(tqdm(added, desc="Deleting", unit=" users", disable=None))
    left = f"; {len(added) - deleted:,} are left" if deleted < len(added) else ""
    click.echo(f"Added {len(added):,} users and deleted {deleted:,} of them again{left}.")
    if traffic.unanswered():
        click.echo(f"{traffic.unanswered():,} requests for a new user had no answer: some may be left.")
    return {"users_added": len(added), "users_deleted": deleted, "users_unknown": traffic.unanswered()}


def save(path: Path, record: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise SimulatorError(f"{path}: {error.strerror}.") from error
