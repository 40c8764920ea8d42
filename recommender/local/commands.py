"""marquee local ...: the platform on one machine."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import click

from recommender.errors import Failed
from recommender.local import running, verbs
from recommender.local.by_hand import run_verb
from recommender.local.places import LocalSettings, Places
from recommender.local.ports import is_free
from recommender.local.steps import Steps
from recommender.local.supervisor import forget_outcome, supervise


@click.group()
def local() -> None:
    """The platform on this machine: Postgres, a trained model and the API."""


@local.command()
@click.option("--foreground", is_flag=True, help="Stay in the terminal; Ctrl-C stops everything.")
def up(foreground: bool) -> None:
    """Start everything and show a first recommendation; it runs until `marquee local down`."""
    places = Places()
    if running.holder(places.state):
        sys.exit(_join(places))
    running.end_children(places.state)
    _check_port(LocalSettings.read().marquee_port)
    sys.exit(_supervise(places) if foreground else _start(places))


@local.command("supervise", hidden=True)
def supervise_() -> None:
    """What `up` starts and leaves behind."""
    sys.exit(_supervise(Places()))


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
@click.argument("verb", nargs=-1, required=True, type=click.UNPROCESSED)
def run(verb: tuple[str, ...]) -> None:
    """Run a verb with this platform's settings: marquee local run import FOLDER --client NAME."""
    sys.exit(run_verb(LocalSettings.read(), Places(), verb))


def _supervise(places: Places) -> int:
    return supervise(places, partial(Steps, LocalSettings.read(), places))


def _check_port(port: int) -> None:
    if not is_free(port):
        raise Failed(
            f"Port {port} is taken by another program: end that one, or choose another port: "
            f"MARQUEE_PORT={port + 1} ./setup.sh local"
        )


def _start(places: Places) -> int:
    forget_outcome(places)
    log = places.log("supervisor")
    log.write_text("")
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            [*verbs.command("marquee"), "local", "supervise"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=places.project,
            start_new_session=True,
        )
    try:
        return follow(places, lambda: supervisor.poll() is None)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        running.end_children(places.state)
        click.echo("\nStopped.")
        return 130


def _join(places: Places) -> int:
    click.echo("Marquee is already running.")
    if places.ready.exists():
        click.echo(places.ready.read_text(), nl=False)
        return 0
    return follow(places, lambda: running.holder(places.state) is not None)


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
