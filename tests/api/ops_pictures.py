"""python -m tests.api.ops_pictures [FOLDER]: pictures of /ops, of a real API with four weeks behind it."""

import random
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx

from recommender.database import open_engine
from recommender.local.places import PROJECT
from tests.api.browser import browser
from tests.api.conftest import Service, make_stock, run, serving
from tests.api.large import large_database
from tests.api.weeks import plant

PICTURES = PROJECT / "dashboards" / "pictures"
LARGEST = 150_000
HISTORIES = ["The Matrix (1999)", "Inception (2010)", "Toy Story (1995)", "Alien (1979)", "Heat (1995)"]
# The clock of its ring goes sixty times as fast, and begins an hour ago: so does the process, as it tells.
HOUR_IN_A_MINUTE = """
import time
import api.app, api.ops, api.traffic, api.__main__ as api_main
from api.traffic import Traffic

began = time.time()
api.traffic.EVERY_S = 10 / 60

def fast():
    return min(time.time(), began - 3600 + 60 * (time.time() - began))

process = api.ops._process
api.ops._process = lambda counted: process(counted) | {"started": began - 3600}
api.app.Traffic = lambda metrics: Traffic(metrics, fast)
api_main.main()
"""
READY = "document.querySelectorAll('#jobs-table tbody tr').length > 0"


_FORGET = "DELETE FROM movies_users_rating WHERE user_id = ANY(:users)"


def ask_for_a_minute(service: Service) -> None:
    """As many viewers ask: most are known, some are new, and a few ask for what is not there."""
    client, chance, until = service.client(), random.Random(7), time.monotonic() + 55
    users, blank = ([_made(client, chance) for _ in range(10)] for _ in "ab")
    run(open_engine(service.urls.admin), _FORGET, users=blank)
    while (left := until - time.monotonic()) > 0:
        kind = chance.random()
        if kind < 0.8:
            client.post("/recommendations", json={"user_id": chance.choice(users)})
        elif kind < 0.9:
            client.post("/recommendations", json={"preferences": {"Animation": 5}, "k": 5})
        elif kind < 0.97:
            client.post("/recommendations", json={"user_id": chance.choice(blank)})
        else:
            client.get(f"/users/{2**39}")
        time.sleep(0.002 + 0.012 * abs(left - 25) / 60)


def _made(client: httpx.Client, chance: random.Random) -> int:
    history = [{"title": title, "rating": 4.5} for title in chance.sample(HISTORIES, 2)]
    return int(client.post("/recommendations", json={"history": history}).json()["user_id"])


def draw(service: Service, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(Path(profile)) as page:
        for name, width, height, dark in (("desktop", 1024, 1130, False), ("phone", 360, 1400, True)):
            page.look(width, dark=dark)
            page.open(f"{service.url}/ops", READY)
            file = folder / f"ops-{name}.png"
            page.picture(file, height)
            size = file.stat().st_size
            assert size < LARGEST, f"{file.name} has {size} bytes"
            sys.stdout.write(f"{file}: {size} bytes\n")


def main(folder: Path = PICTURES) -> None:
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        place.chmod(0o755)
        with large_database(place / "postgres", {"fsync": "off"}) as urls:
            make_stock(urls, place)
            plant(open_engine(urls.admin), yesterday(), psi=0.06)
            settings = {"DATABASE_LIMIT": "1Gi"}
            with serving(urls, place, settings, ("-c", HOUR_IN_A_MINUTE)) as service:
                ask_for_a_minute(service)
                draw(service, folder)


def yesterday() -> date:
    return (datetime.now(UTC) - timedelta(1)).date()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
