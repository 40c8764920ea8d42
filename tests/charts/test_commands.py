"""Each container runs a command that is there, with options that it knows; each probe has a route."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator

import click
import pytest

from recommender.cli import main
from recommender.local.places import PROJECT
from simulator.cli import main as simulate
from tests.charts.rendering import Object, Release, render, values, values_files

PROGRAMS: dict[str, click.Group] = {"marquee": main, "marquee-simulate": simulate}
OF_POSTGRES = {"postgres", "pg_isready"}


def leaf(group: click.Group, words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and what is left of them for it."""
    context = click.Context(group)
    name, command, rest = group.resolve_command(context, words)
    assert command is not None, name
    return leaf(command, rest) if isinstance(command, click.Group) else (command, rest)


def fault(words: list[str]) -> str | None:
    """What click says to these words, but for values that only the cluster knows."""
    try:
        command, rest = leaf(PROGRAMS[words[0]], words[1:])
        command.make_context(words[0], rest)
    except click.BadParameter as bad:
        return str(bad) if isinstance(bad, click.MissingParameter) else None
    except click.UsageError as wrong:
        return wrong.message
    return None


def lines(script: str) -> Iterator[list[str]]:
    """The lines of a script that run a program of ours."""
    for line in script.splitlines():
        words = shlex.split(line, comments=True)
        starts = [number for number, word in enumerate(words) if word in PROGRAMS]
        if starts and (starts[0] == 0 or words[starts[0] - 1] in ("exec", "do", "then")):
            yield words[starts[0] :]


def commands(release: Release) -> Iterator[tuple[str, list[str]]]:
    for pod in release.pods:
        for container in pod.containers:
            yield f"{pod} {container['name']}", [*container.get("command", ()), *container.get("args", ())]


def wrong(release: Release, words: list[str]) -> list[str]:
    if words[0] in PROGRAMS:
        return [found for found in [fault(words)] if found]
    if words[0] == "sh" and words[1].startswith("-"):
        told = subprocess.run(
            ["sh", "-n", "-c", words[2]], capture_output=True, text=True, check=False
        ).stderr
        return [*filter(None, [told]), *(found for line in lines(words[2]) if (found := fault(line)))]
    if words[0] == "sh":
        scripts = release.one("ConfigMap", "marquee-scripts")["data"]
        return [] if words[1].rpartition("/")[2] in scripts else [words[1]]
    return [] if words[0] in OF_POSTGRES or words == ["python", "-m", "api"] else [words[0]]


@pytest.mark.parametrize("case", sorted(values_files()))
def test_every_command_is_there_and_knows_its_options(case: str) -> None:
    release = render(values(case))
    found = {where: wrong(release, words) for where, words in commands(release)}
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "words",
    [
        ["marquee", "migrated"],
        ["marquee", "migrate", "--wait-for", "300"],
        ["marquee", "backups", "keeps", "/scratch/marquee.dump"],
        ["marquee", "backups", "keep"],
        ["marquee-simulate", "asks", "http://marquee-api"],
        ["sh", "-c", "exec marquee backups fetch newest --into /scratch/marquee.dump"],
        ["sh", "-c", "if true; then"],
        ["sh", "/etc/marquee/scripts/dumps.sh", "/scratch/marquee.dump"],
        ["python", "-m", "apis"],
    ],
)
def test_a_command_that_is_not_there_is_seen(words: list[str]) -> None:
    assert wrong(render(), words)


@pytest.mark.parametrize("name", ["dump.sh", "restore.sh", "restoring.sh", "swap.sh"])
def test_a_script_is_one_that_sh_can_read(name: str) -> None:
    script = render().one("ConfigMap", "marquee-scripts")["data"][name]
    assert "set -eu" in script or '/restoring.sh"' in script
    told = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def serving(release: Release) -> Iterator[Object]:
    for component in ("api", "postgres"):
        yield release.of(component)[0].containers[0]


def test_what_serves_has_all_three_probes_at_a_port_of_its_own() -> None:
    for container in serving(render()):
        for kind in ("startup", "readiness", "liveness"):
            probe = container[f"{kind}Probe"]
            ports = {port["name"] for port in container["ports"]}
            assert "exec" in probe or probe["httpGet"]["port"] in ports


def test_the_api_is_alive_while_it_answers_and_ready_when_it_can_recommend() -> None:
    api = next(serving(render()))
    paths = {kind: api[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/health/live", "readiness": "/health/ready", "liveness": "/health/live"}
    assert set(paths.values()) <= set(json.loads((PROJECT / "api" / "openapi.json").read_text())["paths"])


def test_a_start_may_take_longer_than_a_stop_of_answers() -> None:
    for container in serving(render()):
        startup, liveness = container["startupProbe"], container["livenessProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 300
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


KEY_OF = {
    "postgres": "POSTGRES_PASSWORD",
    "marquee_owner": "OWNER_PASSWORD",
    "marquee_api": "API_PASSWORD",
    "marquee_pipeline": "PIPELINE_PASSWORD",
    "marquee_backup": "BACKUP_PASSWORD",
}


def variables(release: Release, container: Object) -> dict[str, str]:
    """As written; a key of the Secret stands for its value."""
    maps = [
        release.one("ConfigMap", one["configMapRef"]["name"])["data"] for one in container.get("envFrom", ())
    ]
    found = {name: value for one in maps for name, value in one.items()}
    for one in container.get("env", ()):
        found[one["name"]] = one.get("value") or one["valueFrom"]["secretKeyRef"]["key"]
    return found


@pytest.mark.parametrize("case", sorted(values_files()))
def test_each_role_signs_in_with_its_own_password(case: str) -> None:
    release = render(values(case))
    pairs = []
    for pod in release.pods:
        for found in (variables(release, container) for container in pod.containers):
            address = re.match(r"postgresql://(\w+)@", found.get("DATABASE_URL", ""))
            user = address[1] if address else found.get("PGUSER")
            pairs += [(user, found["PGPASSWORD"])] if user else []
    assert pairs
    assert [(user, key) for user, key in pairs if KEY_OF[user] != key] == []
