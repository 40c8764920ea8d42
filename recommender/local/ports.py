"""Ports of the loopback address, the only one that anything here listens on."""

import socket
from secrets import randbelow

HOST = "127.0.0.1"


def free_port() -> int:
    """Below those that the kernel gives to outgoing connections: it is to be free tomorrow too."""
    ports = (randbelow(15_000) + 15_000 for _ in range(100))
    return next(port for port in ports if is_free(port))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
