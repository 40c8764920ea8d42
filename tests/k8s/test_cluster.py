"""./setup.sh cluster, the real script, on a machine whose kubectl, helm, podman and k3s are stand-ins."""

import re

import yaml

from recommender.local.places import PROJECT
from tests.k8s.machine import Done, Machine, releases

DRY = ["cluster", "--dry-run"]
ONLY = ["cluster", "--only-marquee"]


def tags(changes: str, image: str) -> set[str]:
    return set(re.findall(rf" {re.escape(image)}\.tag=(\S+)", changes))


def test_plain_setup_installs_the_three_releases_in_order(first: tuple[Machine, Done]) -> None:
    machine, done = first
    assert done.status == 0, done.err
    assert releases(done.changes) == ["monitoring", "marquee", "airflow"]
    assert done.out.splitlines()[0] == "cluster: context here"
    assert machine.objects("secret") == {
        "marquee/marquee",
        "airflow/airflow-metadata",
        "airflow/airflow-keys",
        "airflow/airflow-admin",
        "monitoring/grafana-admin",
    }


def test_helm_is_always_told_version_namespace_and_patience(first: tuple[Machine, Done]) -> None:
    helm = [change for change in first[1].changes if change.startswith("helm ")]
    assert len(helm) == 4
    for call in helm:
        assert " --kube-context here " in call
        assert " --namespace " in call
        assert " --timeout " in call
    for call in (call for call in helm if "upgrade" in call):
        assert " --version " in call or " charts/marquee " in call
        assert " --wait " in call


def test_the_namespaces_are_there_before_the_secrets_and_these_before_the_releases(
    first: tuple[Machine, Done],
) -> None:
    _, done = first
    order = [
        next(n for n, c in enumerate(done.changes) if f" {verb} " in c)
        for verb in ("apply", "create", "upgrade")
    ]
    assert order == sorted(order)


def test_the_dags_are_unpaused_once(first: tuple[Machine, Done]) -> None:
    assert "unpaused" in first[0].state()
    assert len([change for change in first[1].changes if " unpause " in change]) == 1


def test_a_second_run_builds_and_unpauses_nothing_and_keeps_every_secret(installed: Machine) -> None:
    before = installed.state()
    again = installed.run("cluster")
    assert again.status == 0, again.err
    verbs = " ".join(again.changes)
    assert not [word for word in ("podman", "k3s ", " create ", "unpause") if word in verbs]
    after = installed.state()
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        "revisions/monitoring",
        "revisions/marquee",
        "revisions/airflow",
    }


def test_a_changed_tree_has_another_tag_and_is_built(installed: Machine) -> None:
    (installed.project / "LICENSE").write_text("changed")
    again = installed.run("cluster")
    assert len([change for change in again.changes if change.startswith("podman build")]) == 2
    assert len(set(installed.lines("node"))) == 4


def test_a_changed_tree_does_not_restart_postgres(machine: Machine) -> None:
    runs = [machine.run("cluster", "--own-postgres")]
    (machine.project / "LICENSE").write_text("changed")
    runs.append(machine.run("cluster", "--own-postgres"))
    first, second = ("\n".join(run.changes) for run in runs)
    assert tags(first, "image") != tags(second, "image")
    assert tags(first, "postgres.image") == tags(second, "postgres.image") != set()
    (machine.project / "requirements/postgres.txt").write_text("changed")
    third = "\n".join(machine.run("cluster", "--own-postgres").changes)
    assert tags(second, "postgres.image") != tags(third, "postgres.image")


def test_a_dry_run_names_every_command_and_changes_nothing(machine: Machine) -> None:
    before = machine.state()
    dry = machine.run(*DRY)
    assert dry.status == 0, dry.err
    assert (machine.state(), dry.changes) == (before, [])
    planned = [
        line.removeprefix("env DOCKER_BUILDKIT=1 ") for line in dry.planned if not line.startswith("rm -f ")
    ]
    assert [line.removeprefix("sudo ") for line in planned] == machine.run("cluster").changes


def test_no_value_of_a_secret_is_in_an_argument_a_log_or_on_the_screen(
    first: tuple[Machine, Done], installed: Machine
) -> None:
    done = [first[1], installed.run("cluster")]
    values = installed.secrets()
    assert len(values) >= 5
    seen = "".join([d.out + d.err for d in done]) + (installed.cluster / "calls").read_text()
    seen += "".join(
        path.read_text() for path in (installed.project / ".marquee").rglob("*") if path.is_file()
    )
    assert not [value for value in values if value in seen]


def test_airflow_gets_the_password_as_a_url_may_hold_it(first: tuple[Machine, Done]) -> None:
    manifest = (first[0].cluster / "objects/airflow/secret/airflow-metadata").read_text()
    assert "postgresql://airflow:m7%20%25%2F%40secret@marquee-postgres.marquee.svc:5432/airflow" in manifest


def test_the_secrets_that_the_charts_are_told_of_are_made(first: tuple[Machine, Done]) -> None:
    airflow = yaml.safe_load((PROJECT / "k8s/airflow.yaml").read_text())
    monitoring = yaml.safe_load((PROJECT / "k8s/monitoring.yaml").read_text())
    named = {f"airflow/{airflow[key]}" for key in airflow if key.endswith("SecretName")}
    named |= {f"airflow/{airflow['data']['metadataSecretName']}", "airflow/airflow-admin"}
    named.add(f"monitoring/{monitoring['grafana']['admin']['existingSecret']}")
    assert named < first[0].objects("secret")


def test_images_go_to_a_registry_once(machine: Machine) -> None:
    words = ["cluster", "--registry", "registry.example.com/movies"]
    done = machine.run(*words)
    assert done.status == 0, done.err
    pushed = [change.split()[2].split(":")[0] for change in done.changes if change.startswith("podman push")]
    assert pushed == ["registry.example.com/movies/marquee", "registry.example.com/movies/marquee-airflow"]
    assert "image.repository=registry.example.com/movies/marquee " in "\n".join(done.changes)
    assert not [change for change in machine.run(*words).changes if change.startswith("podman")]


def test_images_that_are_ready_are_not_built(machine: Machine) -> None:
    machine.lacks("podman", "k3s")
    done = machine.run("cluster", "--images-ready", "--tag", "7")
    assert done.status == 0, done.err
    assert "image.tag=7" in "\n".join(done.changes)


def test_a_postgres_that_is_ready_may_keep_its_tag(machine: Machine) -> None:
    words = ["cluster", "--images-ready", "--tag", "7", "--own-postgres"]
    assert tags("\n".join(machine.run(*words).changes), "postgres.image") == {"7"}
    kept = "\n".join(machine.run(*words, "--postgres-tag", "6").changes)
    assert (tags(kept, "image"), tags(kept, "postgres.image")) == ({"7"}, {"6"})


def test_only_marquee_is_one_release(machine: Machine) -> None:
    done = machine.run("cluster", "--only-marquee", "--own-postgres")
    assert releases(done.changes) == ["marquee"]
    assert "--set monitoring.enabled=false" in "\n".join(done.changes)
    assert "postgres.image.repository=localhost/marquee-postgres" in "\n".join(done.changes)


def test_values_of_ones_own_win(machine: Machine) -> None:
    (machine.project / "k8s/own").mkdir()
    (machine.project / "k8s/own/marquee.yaml").write_text("api: {replicas: 3}\n")
    (call,) = [c for c in machine.run(*ONLY).changes if "--install marquee" in c]
    assert call.index("k8s/marquee.yaml") < call.index("k8s/own/marquee.yaml")


def test_charts_may_come_from_files(machine: Machine) -> None:
    done = machine.run(*DRY, "--charts", "/media/charts")
    assert re.search(r"monitoring /media/charts/kube-prometheus-stack-[\d.]+\.tgz ", done.out)
    assert re.search(r"airflow /media/charts/airflow-[\d.]+\.tgz ", done.out)
    assert "--repo" not in done.out
