"""python -m api: one process of the API, until it is told to stop."""

import ctypes
import os
import signal
import sys

M_ARENA_MAX = -8  # glibc's malloc.h


def one_heap() -> None:
    """For all threads, which take turns with Python's lock anyway.

    glibc would give a thread that finds a heap in use another one, and keep and fill each of them.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # other C libraries have one heap
        mallopt(M_ARENA_MAX, 1)


def main() -> int:
    if os.getpid() == 1:  # the first process of a container hears no signal that it has not asked for
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    one_heap()  # before the imports that start threads
    from threadpoolctl import threadpool_limits  # the imports take seconds, in which it may be told to stop

    from api.app import create_app
    from api.logs import open_logs
    from api.server import Server
    from api.settings import ApiSettings
    from recommender.errors import BadSettings

    try:
        settings = ApiSettings.read()
    except BadSettings as error:
        sys.stderr.write(f"The API cannot start. {error}\n")
        return 2
    open_logs(settings.log_format)
    with threadpool_limits(1):  # a request's products are small: threads would only wait for each other
        Server(create_app(settings), settings.host, settings.port, settings.drain_s).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
