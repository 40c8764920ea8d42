"""python -m api: one process of the API, until it is told to stop."""

import sys

from threadpoolctl import threadpool_limits

from api.app import create_app
from api.server import Server
from api.settings import ApiSettings
from recommender.errors import BadSettings


def main() -> int:
    try:
        settings = ApiSettings.read()
    except BadSettings as error:
        sys.stderr.write(f"The API cannot start. {error}\n")
        return 2
    with threadpool_limits(1):  # a request's products are small: threads would only wait for each other
        Server(create_app(settings), settings.host, settings.port, settings.drain_s).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
