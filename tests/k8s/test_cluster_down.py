"""./setup.sh cluster down uninstalls what is ours, keeps data, and deletes what is named and agreed to."""

from tests.k8s.machine import Machine

CLAIMS = {"marquee/marquee-data", "airflow/logs-airflow-scheduler-0", "monitoring/prometheus-0"}


def test_down_uninstalls_the_three_and_keeps_everything_else(installed: Machine) -> None:
    secrets = installed.objects("secret")
    done = installed.run("cluster", "down")
    assert done.status == 0, done.err
    assert [change.split()[4] for change in done.changes] == ["airflow", "marquee", "monitoring"]
    assert (installed.objects("secret"), installed.objects("persistentvolumeclaim")) == (secrets, CLAIMS)
    assert installed.objects("namespace") == {"cluster/airflow", "cluster/marquee", "cluster/monitoring"}


def test_down_twice_is_down_once(installed: Machine) -> None:
    installed.run("cluster", "down")
    again = installed.run("cluster", "down")
    assert (again.status, again.changes) == (0, [])
    assert "release marquee is not installed." in again.out


def test_what_was_down_comes_up_again_with_its_secrets(installed: Machine) -> None:
    before = installed.secrets()
    installed.run("cluster", "down")
    assert installed.run("cluster").status == 0
    assert installed.secrets() == before


def test_down_leaves_a_release_that_is_not_ours(installed: Machine) -> None:
    installed.has("revisions/monitoring", "3 deployed 2026-01-01T00:00:00Z \n")
    done = installed.run("cluster", "down", "--purge", "--yes")
    assert "release monitoring in namespace monitoring was not made by setup.sh: it stays" in done.out
    assert not [change for change in done.changes if "monitoring" in change]
    assert installed.objects("persistentvolumeclaim") == {"monitoring/prometheus-0"}


def test_nothing_is_purged_without_a_yes(installed: Machine) -> None:
    before = installed.state()
    done = installed.run("cluster", "down", "--purge")
    assert done.status == 1
    assert "--yes" in done.err
    assert installed.state() == before
    for name in (
        "marquee-data",
        "logs-airflow-scheduler-0",
        "prometheus-0",
        "airflow-keys",
        "secret/marquee",
    ):
        assert name in done.out


def test_a_purge_deletes_what_is_ours_and_names_the_definitions_that_stay(installed: Machine) -> None:
    done = installed.run("cluster", "down", "--purge", "--yes")
    assert done.status == 0, done.err
    assert (
        not installed.objects("secret")
        | installed.objects("persistentvolumeclaim")
        | installed.objects("namespace")
    )
    assert "get crd -o name | grep monitoring.coreos.com" in done.out


def test_a_namespace_that_holds_something_else_stays(installed: Machine) -> None:
    installed.has(
        "foreign/airflow", "Deployment/theirs\nConfigMap/kube-root-ca.crt\nServiceAccount/default\n"
    )
    done = installed.run("cluster", "down", "--purge", "--yes")
    assert "namespace airflow stays: it has Deployment/theirs" in done.out
    assert installed.objects("namespace") == {"cluster/airflow"}


def test_a_namespace_that_was_there_before_stays(machine: Machine) -> None:
    machine.has("objects/cluster/namespace/airflow", "theirs\n")
    assert machine.run("cluster").status == 0
    assert machine.run("cluster", "down", "--purge", "--yes").status == 0
    assert machine.objects("namespace") == {"cluster/airflow"}
    assert not machine.objects("secret")


def test_a_dry_run_of_a_purge_names_every_command_and_changes_nothing(installed: Machine) -> None:
    before = installed.state()
    dry = installed.run("cluster", "down", "--purge", "--dry-run")
    assert dry.status == 0, dry.err
    assert (installed.state(), dry.changes) == (before, [])
    assert dry.planned == installed.run("cluster", "down", "--purge", "--yes").changes


def test_a_namespace_of_which_nobody_can_say_what_it_holds_stays(installed: Machine) -> None:
    installed.has("away", "go-template")
    done = installed.run("cluster", "down", "--purge", "--yes")
    assert done.status == 1
    assert "unable to handle the request" in done.err
    assert len(installed.objects("namespace")) == 3
