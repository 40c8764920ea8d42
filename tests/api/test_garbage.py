"""After a load garbage is looked for only among what came since: every request waits for such a search."""

import gc
import re
import signal
import weakref
from pathlib import Path

from sqlalchemy import Engine

from api.metrics import Metrics
from api.shelf import Shelf
from api.standing import Standing
from recommender.local.urls import PerRole
from recommender.model_store import ModelStore
from tests.api.conftest import Service, eventually, run, serving
from tests.recommender.champions import make_champion

# Says, whenever garbage was looked for everywhere, among how many objects; starts that when it is asked to.
COUNTING = """
import gc, signal, sys
import api.__main__ as started
def tell(phase, about):
    if phase == "start" and about["generation"] == 2:
        print("SEARCHED", len(gc.get_objects()), file=sys.stderr, flush=True)
gc.callbacks.append(tell)
signal.signal(signal.SIGUSR1, lambda *_: gc.collect())
started.main()
"""


def test_a_ready_process_does_not_look_through_what_stays(urls: PerRole[str], tmp_path: Path) -> None:
    with serving(urls, tmp_path, {}, ("-c", COUNTING)) as service:
        client = service.client()
        assert client.get("/client").is_success
        told = len(searched(service))
        service.process.send_signal(signal.SIGUSR1)
        eventually(lambda: len(searched(service)) > told)
        among = searched(service)
        assert among[-1] < max(among) / 10, among  # the most was before it was ready


def searched(service: Service) -> list[int]:
    return [int(count) for count in re.findall(r"(?m)^SEARCHED (\d+)$", service.log.read_text())]


def test_what_is_replaced_goes_though_a_failed_request_held_it(
    copied: tuple[PerRole[Engine], Path], metrics: Metrics
) -> None:
    shelf = Shelf(copied[0].api, ModelStore.at(copied[1], copied[1]), metrics, Standing(metrics))
    shelf.look()
    assert spared(shelf.stock.ranker)
    failed = in_a_circle(shelf.stock.ranker)  # as an error holds the frames that hold it
    before = weakref.ref(shelf.stock.ranker), weakref.ref(shelf.stock.catalogue)
    change(copied)
    shelf.look()  # and spares the circle
    assert spared(failed) and spared(shelf.stock.ranker)
    del failed
    change(copied)
    shelf.look()
    assert [each() for each in before] == [None, None]


def spared(thing: object) -> bool:
    return all(each is not thing for each in gc.get_objects())


def in_a_circle(thing: object) -> list[object]:
    circle = [thing]
    circle.append(circle)
    return circle


def change(copied: tuple[PerRole[Engine], Path]) -> None:
    """Another champion of another catalogue."""
    engines, models = copied
    make_champion(engines.admin, ModelStore.at(models, models))
    run(engines.admin, "UPDATE serving SET catalogue_revision = catalogue_revision + 1")
