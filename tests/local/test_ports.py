import socket

import pytest

from recommender.errors import Failed
from recommender.local import commands
from recommender.local.places import LocalSettings, Parts
from recommender.local.ports import HOST, free_port

SAME = {
    "MARQUEE_PORT": 18_000,
    "AIRFLOW_PORT": 18_001,
    "PROMETHEUS_PORT": 18_002,
    "ALERTMANAGER_PORT": 18_003,
}


def settings(**ports: int) -> LocalSettings:
    return LocalSettings.read(**{name.lower(): port for name, port in (SAME | ports).items()})


def test_a_port_that_is_taken_is_named_with_the_command_that_takes_another() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        words = rf"PROMETHEUS_PORT={port + 1} \./setup\.sh local --no-airflow --monitoring$"
        with pytest.raises(Failed, match=f"Port {port} is taken .* {words}"):
            commands._check_ports(
                Parts(airflow=False, monitoring=True),
                settings(MARQUEE_PORT=free_port(), PROMETHEUS_PORT=port),
            )


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("MARQUEE_PORT", "AIRFLOW_PORT"),
        ("AIRFLOW_PORT", "PROMETHEUS_PORT"),
        ("PROMETHEUS_PORT", "ALERTMANAGER_PORT"),
        ("MARQUEE_PORT", "ALERTMANAGER_PORT"),
    ],
)
def test_two_services_do_not_share_a_port(name: str, other: str) -> None:
    everything = Parts(airflow=True, monitoring=True)
    with pytest.raises(Failed, match=f"{name} and {other} are both {SAME[name]}: each needs its own"):
        commands._check_ports(everything, settings(**{other: SAME[name]}))


def test_what_is_not_started_needs_no_port() -> None:
    assert Parts(airflow=False).ports(settings()) == {"MARQUEE_PORT": 18_000}
    assert Parts(airflow=True, monitoring=True).ports(settings()) == SAME
