"""What a piece of work costs, in a process of its own, so that nobody else's memory counts."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_info

from recommender.errors import Failed

_Made = TypeVar("_Made")
_STATUS = Path("/proc/self/status")  # of Linux


@dataclass(frozen=True, slots=True)
class Cost:
    wall_s: float
    cpu_s: float  # of all threads
    held_mb: float | None  # by the process before it began: Python, the libraries, what it works on
    peak_mb: float | None  # of the whole process; None where the system does not tell


def cost(run: Callable[[], _Made]) -> tuple[_Made, Cost]:
    held = memory_mb("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    made = run()
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return made, Cost(*spent, held, memory_mb("VmHWM"))


def memory_mb(what: str) -> float | None:
    if not _STATUS.exists():
        return None
    return int(_STATUS.read_text().partition(f"{what}:")[2].split()[0]) / 1024


def threads() -> int:
    """That the matrix products of this process run on."""
    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def apart(run: Callable[..., Any], *args: Any) -> Any:
    """What ``run`` returns, from a new process, which ends with this one."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(sender, run, args), daemon=True)
    child.start()
    sender.close()
    try:
        made = receiver.recv()
        child.join()
        return made
    except EOFError:
        child.join()
        raise Failed(
            f"{run.__name__} ended with {child.exitcode} instead of an answer: is there enough memory?"
        ) from None
    finally:
        child.kill()
        child.join()


def _answer(sender: "Connection[Any, Any]", run: Callable[..., Any], args: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked ends it
    sender.send(run(*args))
