"""What ./setup.sh cluster must find on the machine, and what it installs when asked for."""

import shutil
import subprocess

import pytest

from recommender.local.places import PROJECT
from tests.k8s.machine import Machine, is_root, releases

DRY = ["cluster", "--dry-run"]


def test_what_is_missing_is_told_at_once(machine: Machine) -> None:
    machine.lacks("kubectl", "helm", "podman")
    done = machine.run("cluster")
    assert done.status == 1
    for word in (
        "kubectl 1.32",
        "helm 3.19",
        "podman",
        "--install-k3s",
        "https://helm.sh/docs/intro/install/",
    ):
        assert word in done.err
    assert done.changes == []


def test_what_the_cluster_lacks_is_told_at_once(machine: Machine) -> None:
    machine.has("forbidden", "all\ncreate namespaces\ncreate secrets -n marquee\n")
    machine.has("storage", "\n")
    machine.has("helm-version", "v3.18.9\n")
    machine.has("nodes", "v1.35.1\nv1.35.1\n")
    done = machine.run("cluster")
    assert done.status == 1
    for word in (
        "create namespaces, create secrets -n marquee",
        "StorageClass",
        "this is 3.18.9",
        "--registry",
    ):
        assert word in done.err
    assert done.changes == []


@pytest.mark.parametrize(
    ("words", "own", "wanted"),
    [
        ([], None, True),
        ([], "airflow: {admissionPolicy: false}\n", False),
        ([], "api: {replicas: 3}\n", True),
        (["--only-marquee"], None, False),
    ],
)
def test_a_right_in_the_whole_cluster_is_wanted_for_the_admission_policy_that_the_values_ask_for(
    machine: Machine, words: list[str], own: str | None, wanted: bool
) -> None:
    policies = "create validatingadmissionpolicies.admissionregistration.k8s.io"
    machine.has("forbidden", f"all\n{policies}\ncreate namespaces\n")
    if own:
        (machine.project / "k8s" / "own").mkdir(exist_ok=True)
        (machine.project / "k8s" / "own" / "marquee.yaml").write_text(own)
    done = machine.run("cluster", *words)
    assert "create namespaces" in done.err
    assert (policies in done.err) is wanted


def test_k3s_and_helm_are_installed_when_asked_for(machine: Machine) -> None:
    machine.puts_aside("helm", "k3s", "kubectl")
    done = machine.run("cluster", "--install-k3s")
    assert done.status == 0, done.err
    assert "service" in machine.state()
    assert releases(done.changes) == ["monitoring", "marquee", "airflow"]


def test_a_download_that_is_not_what_was_released_is_not_installed(machine: Machine) -> None:
    machine.puts_aside("k3s", "kubectl")
    machine.has("corrupt", "")
    done = machine.run("cluster", "--install-k3s")
    assert done.status == 1
    assert "checksum" in done.err
    assert not (machine.tools / "k3s").exists()


def test_a_small_disk_is_told_before_anything_is_built_and_does_not_matter_afterwards(
    machine: Machine, installed: Machine
) -> None:
    machine.has("free-mb", "3000\n")
    assert "10 GB free" in machine.run("cluster").err
    installed.has("free-mb", "3000\n")
    assert installed.run("cluster", "--dry-run").status == 0


def test_a_small_disk_is_told_before_anything_is_downloaded(machine: Machine) -> None:
    machine.puts_aside("k3s", "kubectl")
    machine.has("free-mb", "3000\n")
    done = machine.run("cluster", "--install-k3s")
    assert "15 GB free on the disk of /var/lib/rancher" in done.err
    assert done.changes == []


def test_a_dry_run_of_everything_needs_no_cluster(machine: Machine) -> None:
    machine.puts_aside("helm", "k3s", "kubectl")
    done = machine.run(*DRY, "--install-k3s")
    assert done.status == 0, done.err
    assert done.changes == []
    assert releases(done.planned) == ["monitoring", "marquee", "airflow"]
    assert [line for line in done.planned if "INSTALL_K3S_SKIP_DOWNLOAD=true" in line]
    assert is_root() or "sudo install -m 755" in done.out


@pytest.mark.parametrize(
    "words",
    [
        ["--bogus"],
        ["--registry"],
        ["--timeout", "soon"],
        ["--tag", "7"],
        ["--postgres-tag", "7"],
        ["--purge"],
        ["down", "--registry", "a/b"],
    ],
)
def test_a_wrong_flag_is_told_with_the_usage(machine: Machine, words: list[str]) -> None:
    done = machine.run("cluster", *words)
    assert done.status == 2
    assert "--install-k3s" in done.err
    assert done.changes == []


@pytest.mark.full
def test_shellcheck_has_nothing_to_say() -> None:
    if not (found := shutil.which("shellcheck")):
        pytest.skip("shellcheck is not on this machine (Debian: shellcheck)")
    words = [found, "-x", "-S", "warning", "setup.sh"]
    assert subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False).stdout == ""
