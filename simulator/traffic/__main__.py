"""Locust in a process of its own, because it changes how Python waits before anything else is imported.

`marquee-simulate traffic` starts it and writes the settings to stdin: a command line would show passwords.
"""

import json
import signal
import sys

from locust import HttpUser
from locust.env import Environment

from simulator.traffic.drive import Settings, drive

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it sums up, as after Ctrl-C
    sys.exit(drive(Settings.of(json.load(sys.stdin)), HttpUser, Environment))
