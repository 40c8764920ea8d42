"""Where a process stands: it starts, is ready for the rest of its life, and stops."""

from typing import Literal

from api.metrics import Metrics

Status = Literal["starting", "ready", "stopping"]


class Standing:
    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.ready
        self.status: Status = "starting"

    def is_ready(self) -> None:
        """Nothing that happens to the database or the models takes it back."""
        if self.status == "starting":
            self._turn("ready")

    def stop(self) -> None:
        self._turn("stopping")

    @property
    def stopping(self) -> bool:
        return self.status == "stopping"

    def _turn(self, status: Status) -> None:
        self.status = status
        self._gauge.set(status == "ready")
