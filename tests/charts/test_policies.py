"""What checkov finds in the rendered manifests is known, and each finding has a reason."""

import json
import subprocess
from pathlib import Path

import pytest

from recommender.local.places import PROJECT
from tests.charts.rendering import Object, render, title, values, values_files

CHECKOV = PROJECT / ".marquee" / "env-checkov" / "bin" / "checkov"
SERVING = {"Deployment/marquee-api", "Job/marquee-setup-1"}
JOBS = {f"CronJob/marquee-{name}" for name in ("backup", "restore", "verb", "clients")}
POSTGRES = {"StatefulSet/marquee-postgres"}
ASKING = {"Pod/marquee-test"}
ACCEPTED: dict[str, tuple[set[str], str]] = {
    "CKV_K8S_8": (ASKING, "asks once and ends, so nothing is to be restarted"),
    "CKV_K8S_9": (ASKING, "asks once and ends, so nobody waits for it"),
    "CKV_K8S_15": (
        SERVING | JOBS | POSTGRES | ASKING,
        "an image that was imported into a node has no registry to be pulled from; pullPolicy is a value",
    ),
    "CKV_K8S_35": (
        SERVING | JOBS | ASKING,
        "libpq and the settings read variables; each container gets single keys, and Postgres a file",
    ),
    "CKV_K8S_40": (POSTGRES, "the user of the official image is 999, and its files are his; uid is a value"),
    "CKV_K8S_43": (
        SERVING | JOBS | POSTGRES | ASKING,
        "an image has no digest before it is pushed to a registry; digest is a value",
    ),
}
OPEN_DOOR: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "open-door", "namespace": "marquee"},
    "spec": {"containers": [{"name": "a", "image": "a:1", "securityContext": {"privileged": True}}]},
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The objects of all sets of values, and of a bad pod, by the check that they fail. Without a network."""
    folder = tmp_path_factory.mktemp("manifests")
    things = [thing for name in values_files() for thing in render(values(name)).objects]
    for number, thing in enumerate([*things, OPEN_DOOR]):
        (folder / f"{number}.json").write_text(json.dumps(thing))
    report = _checkov(folder)
    found: dict[str, set[str]] = {}
    for one in report["results"]["failed_checks"]:
        thing = json.loads((folder / Path(one["file_path"]).name).read_text())
        found.setdefault(one["check_id"], set()).add(title(thing))
    return found


def _checkov(folder: Path) -> Object:
    done = subprocess.run(
        [CHECKOV, "-d", folder, "--framework", "kubernetes", "--compact", "-o", "json", "--skip-download"],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "HTTPS_PROXY": "http://127.0.0.1:9"},
    )
    report: Object = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0, done.stderr
    return report


def test_checkov_finds_what_is_accepted_and_nothing_else(findings: dict[str, set[str]]) -> None:
    others = {check: found - {title(OPEN_DOOR)} for check, found in findings.items()}
    assert {check: found for check, found in others.items() if found} == {
        check: accepted for check, (accepted, _) in ACCEPTED.items()
    }


def test_checkov_finds_what_is_bad(findings: dict[str, set[str]]) -> None:
    privileged, no_limits, root = "CKV_K8S_16", "CKV_K8S_13", "CKV_K8S_23"
    assert all(findings[check] == {title(OPEN_DOOR)} for check in (privileged, no_limits, root))
