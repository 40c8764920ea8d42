"""What fails, is killed or belongs to others: ./setup.sh cluster says so, harms nothing and goes on later."""

import signal

import pytest

from tests.k8s.machine import Done, Machine, releases

ONLY = ["cluster", "--only-marquee"]


def test_an_upgrade_that_fails_is_rolled_back_and_a_first_install_is_not(
    first: tuple[Machine, Done], installed: Machine
) -> None:
    again = installed.run("cluster").changes
    assert not [change for change in first[1].changes if "--rollback-on-failure" in change]
    assert [releases([c]) for c in again if "--rollback-on-failure" in c] == [["monitoring"], ["marquee"]]


def test_helm_3_has_another_name_for_it(installed: Machine) -> None:
    installed.has("helm-version", "v3.19.2+gabc\n")
    again = installed.run("cluster").changes
    assert [releases([c]) for c in again if "--atomic" in c] == [["monitoring"], ["marquee"]]


def test_airflow_is_rolled_back_after_its_finished_jobs_are_gone(installed: Machine) -> None:
    installed.has("broken/airflow", "")
    done = installed.run("cluster")
    assert done.status == 1
    assert "rollback airflow 1" in done.changes[-1]
    assert installed.lines("revisions/airflow")[-1].split()[1] == "deployed"


def test_whatever_fails_the_same_command_goes_on_and_ends_as_if_nothing_had(machine: Machine) -> None:
    machine.has("first-fails", "")
    failed = 0
    while (done := machine.run("cluster")).status:
        assert done.status == 1
        assert "the network went away" in done.err
        failed += 1
        assert failed < 40
    steps = len(set(machine.lines("changes")))
    assert failed >= steps - 4  # the three of Airflow's Secrets and Grafana's are one command, and fail once
    assert [
        machine.lines(f"revisions/{name}")[-1].split()[1] for name in ("monitoring", "marquee", "airflow")
    ] == ["deployed"] * 3
    assert "unpaused" in machine.state()
    assert machine.run("cluster").status == 0


def test_a_release_of_somebody_else_is_left_alone(machine: Machine) -> None:
    machine.has("revisions/airflow", "4 deployed 2026-01-01T00:00:00Z \n")
    done = machine.run("cluster")
    assert done.status == 1
    assert "release airflow in namespace airflow that setup.sh did not make" in done.err
    assert not [change for change in done.changes if not change.startswith(("podman", "k3s"))]


def test_a_namespace_with_others_work_keeps_its_labels(machine: Machine) -> None:
    machine.has("workloads/monitoring", "deployment.apps/theirs\n")
    done = machine.run("cluster")
    assert "Namespace monitoring holds others' work (deployment.apps/theirs)" in done.err
    assert not [change for change in done.changes if change.startswith("kubectl")]


@pytest.mark.parametrize(
    ("before", "mended"),
    [
        ("1 pending-install 2026-01-01T00:00:00Z setup.sh\n", "uninstall marquee"),
        ("1 deployed T setup.sh\n2 pending-upgrade 2026-01-01T00:00:00Z setup.sh\n", "rollback marquee 1"),
    ],
)
def test_what_helm_left_half_done_is_mended(machine: Machine, before: str, mended: str) -> None:
    machine.has("revisions/marquee", before)
    done = machine.run(*ONLY)
    assert done.status == 0, done.err
    assert len([change for change in done.changes if mended in change]) == 1


@pytest.mark.parametrize("question", ["owner=helm", "secret grafana-admin", "namespace marquee"])
def test_a_cluster_that_goes_away_is_not_taken_for_an_empty_one(machine: Machine, question: str) -> None:
    machine.has("away", question)
    done = machine.run("cluster")
    assert done.status == 1
    assert "the server is currently unable to handle the request" in done.err
    assert not [change for change in done.changes if question.split()[-1] in change and " create " in change]


def test_what_helm_may_still_be_doing_is_not_touched(machine: Machine) -> None:
    machine.has("revisions/marquee", "1 pending-install 2999-01-01T00:00:00Z setup.sh\n")
    done = machine.run(*ONLY)
    assert done.status == 1
    assert (
        "Helm works on release marquee (pending-install since 2999-01-01T00:00:00Z), or was killed"
        in done.err
    )
    assert "uninstall marquee" not in "\n".join(done.changes)


def test_a_release_that_fails_says_which_pod_is_not_ready(machine: Machine) -> None:
    machine.has("broken/marquee", "")
    machine.has("unready", "marquee-api-1 0/1 CrashLoopBackOff 3 1m\nmarquee-postgres-0 1/1 Running 0 1m\n")
    done = machine.run(*ONLY)
    assert done.status == 1
    assert "context deadline exceeded" in done.err
    assert "It waited for marquee-api-1 (CrashLoopBackOff): PORT=eight is not a number." in done.err


def test_ctrl_c_ends_helm_and_the_next_run_goes_on(machine: Machine) -> None:
    machine.has("slow/marquee", "")
    with machine.started(*ONLY) as process:
        machine.wait_for("hangs")
        assert "works on this machine" in machine.run(*ONLY).err
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "setup.sh: interrupted. The same command goes on from here.\n")
    assert machine.lines("revisions/marquee") == ["1 failed 2026-01-01T00:00:00Z setup.sh"]
    (machine.cluster / "slow/marquee").unlink()
    assert machine.run(*ONLY).status == 0
