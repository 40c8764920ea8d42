"""Every command of the guides: what it names is in the charts, in versions.env or in setup.sh's usage."""

import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from recommender.local.places import PROJECT
from tests.charts.rendering import merged, render, values

GUIDES = ["k8s/README.md", "k8s/OPERATING.md"]
KINDS = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "cronjob": "CronJob",
    "svc": "Service",
    "pvc": "PersistentVolumeClaim",
    "secret": "Secret",
}
OF_OTHERS = {
    "airflow-metadata",
    "airflow-keys",
    "airflow-admin",
    "grafana-admin",
}  # secrets that setup.sh makes


def text(guide: str) -> str:
    return (PROJECT / guide).read_text()


def commands(guide: str) -> list[str]:
    """Blocks and `spans`, each command on one line."""
    blocks = re.findall(r"```\n(.*?)```", text(guide), re.DOTALL)
    spans = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```.*?```", "", text(guide), flags=re.DOTALL))
    lines = [line for block in blocks for line in re.sub(r"[\\|]\n\s*", " ", block).splitlines()]
    return [*lines, *(span.replace("\n", " ") for span in spans)]


def marquees() -> Iterator[str]:
    for guide in GUIDES:
        yield from (c for c in commands(guide) if "-n marquee " in c or "marquee-" in c)


@pytest.fixture(scope="module")
def titles() -> set[str]:
    chart = render(merged(values("default"), yaml.safe_load(text("k8s/marquee.yaml"))))
    postgres = chart.one("StatefulSet", "marquee-postgres")
    pods = {f"Pod/{postgres['metadata']['name']}-0"}
    claims = {
        f"PersistentVolumeClaim/{claim['metadata']['name']}-marquee-postgres-0"
        for claim in postgres["spec"]["volumeClaimTemplates"]
    }
    return chart.titles | pods | claims


def test_what_the_guides_name_is_in_the_chart(titles: set[str]) -> None:
    named = set()
    for command in marquees():
        for kind, name in re.findall(
            r"\b(deploy(?:ment)?|cronjob|svc|pvc|secret)[/ ]([a-z][a-z0-9-]+)", command
        ):
            if (
                name.startswith(("marquee", "files-"))
                and name != "marquee-secret"
                and name != "marquee-buckets"
            ):
                named.add(f"{KINDS[kind]}/{name}")
        named |= {f"Pod/{name}" for name in re.findall(r"marquee-postgres-\d", command) if "exec" in command}
    assert len(named) >= 6
    assert named <= titles


def test_the_lists_of_backups_and_the_restore_patch_what_is_there() -> None:
    chart = render()
    backup = chart.one("CronJob", "marquee-backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    restore = chart.one("CronJob", "marquee-restore")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert backup["containers"][0]["command"][:2] == ["marquee", "backups"]
    assert len(backup["initContainers"]) >= 1
    assert restore["initContainers"][0]["env"][0] == {"name": "BACKUP", "value": "newest"}


def test_the_guides_say_to_which_keys_a_secret_answers() -> None:
    keys = set(render().one("Secret", "marquee")["data"])
    named = set(re.findall(r"\b([A-Z]+_(?:PASSWORD|KEY))\b", text("k8s/OPERATING.md"))) - {
        "AWS_SECRET_ACCESS_KEY"
    }
    assert len(named) >= 8
    assert named <= keys


def test_the_secrets_that_are_made_by_hand_are_those_that_setup_makes() -> None:
    made = re.findall(r"make_secret [a-z]+ ([a-z-]+)", text("k8s/cluster-releases.sh"))
    by_hand = re.findall(r"create secret generic ([\w-]+)", text("k8s/README.md"))
    assert set(made) == set(by_hand) == OF_OTHERS


def test_helm_by_hand_and_by_setup_are_given_the_same() -> None:
    script = text("k8s/cluster-releases.sh")
    for flag in set(re.findall(r"--set (?:image\w*\.)?([a-z_]+\.(?:repository|tag))", text("k8s/README.md"))):
        assert flag.split(".")[0] in script
    for pin in re.findall(r"\$(\w+_CHART_\w+)", text("k8s/README.md")):
        assert f"{pin}=" in text("k8s/versions.env")
        assert pin in script


def test_every_flag_of_setup_in_the_guides_is_in_its_usage() -> None:
    usage = subprocess.run(
        ["./setup.sh", "cluster", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    flags = set()
    for guide in GUIDES:
        flags |= {flag for c in commands(guide) if "setup.sh" in c for flag in re.findall(r"--[a-z0-9-]+", c)}
    assert len(flags) >= 8
    assert {flag for flag in flags if flag not in usage} == set()


def test_the_values_in_the_guides_are_accepted_by_the_chart() -> None:
    for snippet in re.findall(r"`(api: \{.*?\}|backup: \{.*?\})`", text("k8s/OPERATING.md")):
        assert render(yaml.safe_load(snippet)).titles, snippet
    (buckets,) = re.findall(r"```\n(objectStorage:.*?)```", text("k8s/README.md"), re.DOTALL)
    (external,) = re.findall(r"```\n(database:.*?)```", text("k8s/README.md"), re.DOTALL)
    for snippet in (buckets, external):
        assert render(yaml.safe_load(snippet)).titles


def test_the_settings_of_the_dags_that_a_bucket_or_an_authority_changes_are_theirs() -> None:
    named = set(re.findall(r"`(MARQUEE_\w+)`", text("k8s/README.md")))
    assert len(named) == 4
    assert {name for name in named if f"`{name}`" not in text("dags/README.md")} == set()
