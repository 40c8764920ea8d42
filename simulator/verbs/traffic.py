"""The verbs traffic and replay."""

import asyncio
import json
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from simulator.account import opened
from simulator.errors import SimulatorError
from simulator.traffic.drive import Settings
from simulator.traffic.login import Login
from simulator.traffic.replay import Replayed, replayed
from simulator.traffic.tape import read_tape

url_option = click.option("--url", default="http://127.0.0.1:8000", help="The API's address.")
username_option = click.option("--username", help="A client that is registered already, instead of new ones.")
password_option = click.option(
    "--password", envvar="MARQUEE_PASSWORD", show_envvar=True, help="The password of --username."
)
key_option = click.option(
    "--key", envvar="REGISTRATION_KEY", show_envvar=True, help="The operator's key, to register new clients."
)


@click.command()
@url_option
@username_option
@password_option
@key_option
@click.option("--clients", type=click.IntRange(1), default=2, help="How many new clients are registered.")
@click.option("--viewers", type=click.IntRange(1), default=200, help="How many viewers all clients have.")
@click.option(
    "--days", type=click.FloatRange(0, min_open=True), default=1.0, help="How long: simulated days."
)
@click.option(
    "--compress",
    type=click.FloatRange(1),
    default=1440.0,
    help="Simulated seconds in one; 1440: a day a minute.",
)
@click.option("--hour", type=click.FloatRange(0, 24), default=6.0, help="Of the day at which it begins.")
@click.option("--seed", type=click.IntRange(0), default=7, help="Decides who the viewers are.")
@click.option(
    "--headless/--web", default=True, help="With or without Locust's page, which shows the run as it goes."
)
@click.option("--web-port", type=click.IntRange(1, 65535), default=8089, help="Of that page, on 127.0.0.1.")
@click.option(
    "--tape", type=click.Path(path_type=Path), help="Record what is asked and answered (JSON lines)."
)
def traffic(
    url: str,
    username: str | None,
    password: str | None,
    key: str | None,
    clients: int,
    viewers: int,
    days: float,
    compress: float,
    hour: float,
    seed: int,
    headless: bool,
    web_port: int,
    tape: Path | None,
) -> None:
    """Let viewers come and go at a running API, as outside clients of it; most at 20:00, fewest at 08:00.

    They ask for lists, take what they truly like, watch and rate it, or choose by themselves. What they leave
    stays: users, ratings, and the new clients. Exit status 1 when a request failed.
    """
    if find_spec("locust") is None:
        raise SimulatorError("Traffic needs Locust: pip install 'marquee[traffic]'.")
    logins = entrances(url, username, password, key, clients)
    web = None if headless else web_port
    names = tuple((login.username, login.password) for login in logins)
    settings = Settings(url, names, viewers, days, compress, hour, seed, web, str(tape) if tape else None)
    sys.exit(in_a_process_of_its_own(settings))


def entrances(
    url: str, username: str | None, password: str | None, key: str | None, clients: int
) -> list[Login]:
    """The one that is named, or new ones."""
    if username:
        if not password:
            raise click.UsageError("--username wants a --password, or MARQUEE_PASSWORD.")
        return [Login(username, password)]
    made = [Login.random() for _ in range(clients)]
    with opened(url) as account:
        for login in made:
            account.register(login.username, login.password, key)
    return made


def in_a_process_of_its_own(settings: Settings) -> int:
    """Locust must be the first that is imported."""
    program = [sys.executable, "-m", "simulator.traffic"]
    child = subprocess.Popen(program, stdin=subprocess.PIPE, text=True)  # noqa: S603 - our own
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        child.communicate(json.dumps(settings.record()))
    except KeyboardInterrupt:
        child.wait()  # it hears Ctrl-C too, and sums up
    finally:
        signal.signal(signal.SIGTERM, before)
    return child.returncode


@click.command()
@click.argument("tape", type=click.Path(path_type=Path))
@url_option
@username_option
@password_option
@key_option
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=1.0, help="How many times as fast.")
def replay(
    tape: Path, url: str, username: str | None, password: str | None, key: str | None, speed: float
) -> None:
    """Send a TAPE of `traffic` again and say what is answered differently.

    As many new clients are registered as the tape has. Exit status 1 when a status changed.
    """
    exchanges = list(read_tape(tape))
    if not exchanges:
        raise SimulatorError(f"{tape} is empty.")
    clients = 1 + max(exchange.client for exchange in exchanges)
    logins = entrances(url, username, password, key, clients)
    if len(logins) < clients:
        raise SimulatorError(f"The tape has {clients} clients: leave --username out.")
    done = asyncio.run(replayed(url, logins, exchanges, speed))
    click.echo(told(done))
    sys.exit(int(done.changed > 0))


def told(done: Replayed) -> str:
    lines = [
        f"{done.sent:,} requests sent again, {done.changed:,} answered with another status;"
        f" {done.same_lists:,} of {done.lists:,} lists are the same"
    ]
    lines += [
        f"  {before} on the tape, {now or 'no answer'} now: {count:,}"
        for (before, now), count in sorted(done.statuses.items())
        if before != now
    ]
    if done.left_out:
        lines.append(f"  {done.left_out:,} left out: about lists that were not answered now")
    return "\n".join(lines)
