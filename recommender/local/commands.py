"""marquee local ...: the platform on one machine."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations

import click

from recommender.errors import Failed
from recommender.local import by_hand, running, verbs
from recommender.local.monitoring import PROGRAMS, check_programs
from recommender.local.places import LocalSettings, Parts, Places
from recommender.local.ports import is_free
from recommender.local.process import ending_with
from recommender.local.steps import Steps
from recommender.local.supervisor import forget_outcome, supervise


@click.group()
def local() -> None:
    """The platform on this machine: Postgres, Airflow, a trained model and the API."""


no_airflow = click.option("--no-airflow", is_flag=True, help="Run the verbs of the DAGs directly.")
monitoring = click.option("--monitoring", is_flag=True, help="Start Prometheus and Alertmanager too.")


@local.command()
@click.option("--foreground", is_flag=True, help="Stay in the terminal; Ctrl-C stops everything.")
@no_airflow
@monitoring
def up(foreground: bool, no_airflow: bool, monitoring: bool) -> None:
    """Start everything and show a first recommendation; it runs until `marquee local down`."""
    places, parts = Places(), Parts(not no_airflow, monitoring)
    if running.holder(places.state):
        sys.exit(_join(places, parts))
    if monitoring:
        check_programs()
    running.end_children(places.state)
    _check_ports(parts, LocalSettings.read())
    sys.exit(_supervise(places, parts) if foreground else _start(places, parts))


@local.command("supervise", hidden=True)
@no_airflow
@monitoring
def supervise_(no_airflow: bool, monitoring: bool) -> None:
    """What `up` starts and leaves behind."""
    sys.exit(_supervise(Places(), Parts(not no_airflow, monitoring)))


@local.command()
def down() -> None:
    """Stop everything."""
    click.echo("Marquee is stopped." if running.end(Places().state) else "Marquee was not running.")


@local.command()
def status() -> None:
    """What runs; exits with 1 when nothing does."""
    places = Places()
    supervisor = running.holder(places.state)
    if not supervisor:
        click.echo("Marquee does not run.")
        sys.exit(1)
    click.echo(f"Marquee {'runs' if places.ready.exists() else 'starts'}: supervisor {supervisor}")
    for pid, name in running.children(places.state).items():
        click.echo(f"  {name} {pid}")


@local.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--ends-with-parent", is_flag=True, help="End when the process that started it does.")
@click.argument("verb", nargs=-1, required=True, type=click.UNPROCESSED)
def run(ends_with_parent: bool, verb: tuple[str, ...]) -> None:
    """Run a verb with this platform's settings: marquee local run import FOLDER --client NAME."""
    program = list(map(str, by_hand.command(verb)))
    environment = by_hand.environment(LocalSettings.read(), Places(), verb)
    if ends_with_parent:
        program = list(map(str, ending_with(os.getppid(), program, "KILL")))
    os.execve(program[0], program, environment)  # noqa: S606 - one process, which a task can kill


def _supervise(places: Places, parts: Parts) -> int:
    return supervise(places, partial(Steps, LocalSettings.read(), places, parts=parts))


def _check_ports(parts: Parts, settings: LocalSettings) -> None:
    used = parts.ports(settings)
    for (name, port), (other, its) in combinations(used.items(), 2):
        if port == its:
            raise Failed(f"{name} and {other} are both {port}: each needs its own.")
    for name, port in used.items():
        if not is_free(port):
            raise Failed(
                f"Port {port} is taken by another program: end that one, or choose another port: "
                + " ".join([f"{name}={port + 1} ./setup.sh local", *parts.words])
            )


def _start(places: Places, parts: Parts) -> int:
    forget_outcome(places)
    log = places.log("supervisor")
    log.write_text("")
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            [*verbs.command("marquee"), "local", "supervise", *parts.words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=places.project,
            start_new_session=True,
        )
    try:
        status = follow(places, lambda: supervisor.poll() is None)
        if status:
            supervisor.wait()  # until what it has started is gone: the next start must not meet it
        return status
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        running.end_children(places.state)
        click.echo("\nStopped.")
        return 130


def _join(places: Places, parts: Parts) -> int:
    click.echo("Marquee is already running.")
    status = 0
    if places.ready.exists():
        click.echo(places.ready.read_text(), nl=False)
    else:
        status = follow(places, lambda: running.holder(places.state) is not None)
    runs = set(running.children(places.state).values())
    if status == 0 and parts.monitoring and not PROGRAMS.keys() & runs:
        click.echo("It was started without --monitoring: ./setup.sh down, and start it again.")
    return status


def follow(places: Places, lives: Callable[[], bool]) -> int:
    """Show the log until the platform is ready (0), or has failed or is gone without a word (1)."""
    with places.log("supervisor").open() as lines:
        while True:
            # Asked before the last read, so that nothing is lost that was written before the end.
            status = _outcome(places, lives)
            click.echo(lines.read(), nl=False)
            if status is not None:
                return status
            time.sleep(0.1)


def _outcome(places: Places, lives: Callable[[], bool]) -> int | None:
    alive = lives()
    if places.ready.exists():
        return 0
    return 1 if places.failed.exists() or not alive else None
