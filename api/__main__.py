"""python -m api: one process of the API, until it is told to stop."""

import sys

import uvicorn
from threadpoolctl import threadpool_limits

from api.app import create_app
from api.settings import ApiSettings
from recommender.errors import BadSettings

HEAD_LIMIT = 1 << 16  # bytes that the first line and the headers of a request may have
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}


def main() -> int:
    try:
        settings = ApiSettings.read()
    except BadSettings as error:
        sys.stderr.write(f"The API cannot start. {error}\n")
        return 2
    with threadpool_limits(1):  # a request's products are small: threads would only wait for each other
        uvicorn.run(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            http="h11",  # httptools has no bound on headers; h11 takes 0.08 ms a request longer
            h11_max_incomplete_event_size=HEAD_LIMIT,
            loop="uvloop",
            log_config=LOGGING,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
