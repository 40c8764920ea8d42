"""What a process serves: the newest champion that can be loaded, and the one before it until then."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from api.health import missing
from api.metrics import Metrics
from api.shelf import AGAIN_S, Shelf
from api.standing import Standing
from recommender.database import open_engine
from recommender.local.urls import PerRole
from recommender.model_store import ModelStore
from tests.api.conftest import run
from tests.recommender.champions import make_champion

Copied = tuple[PerRole[Engine], Path]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def new_champion(copied: Copied) -> str:
    engines, models = copied
    return make_champion(engines.admin, ModelStore.at(models, models)).version


def failures(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("marquee_model_load_failures_total") or 0


def serves(metrics: Metrics, version: str | None) -> bool:
    return metrics.registry.get_sample_value("marquee_model_info", {"version": version or ""}) == 1


def test_a_new_champion_is_taken_without_a_restart(copied: Copied, metrics: Metrics) -> None:
    shelf = Shelf(copied[0].api, ModelStore.at(copied[1], copied[1]), metrics, Standing(metrics))
    shelf.look()
    before = shelf.stock
    assert before.version and serves(metrics, before.version)
    version = new_champion(copied)
    shelf.look()
    assert shelf.stock.version == version != before.version
    assert serves(metrics, version) and not serves(metrics, before.version)
    assert metrics.registry.get_sample_value("marquee_model_loaded") == 1
    assert list(missing(shelf)) == []
    assert failures(metrics) == 0


def test_a_damaged_champion_is_refused_and_tried_again_while_the_old_one_serves(
    copied: Copied, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    shelf = Shelf(copied[0].api, ModelStore.at(copied[1], copied[1]), metrics, Standing(metrics), clock)
    shelf.look()
    old, version = shelf.stock.version, new_champion(copied)
    file = copied[1] / version / "left.npy"
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    for now, tried in ((0, 1), (AGAIN_S - 1, 1), (AGAIN_S, 2)):
        clock.now = 1000 + now
        shelf.look()
        assert (shelf.stock.version, failures(metrics)) == (old, tried)
    assert serves(metrics, old)
    assert caplog.text.count(f"model {version} is refused") == 1

    file.write_bytes(good)
    clock.now += AGAIN_S
    shelf.look()
    assert (shelf.stock.version, failures(metrics)) == (version, 2)


def test_a_first_champion_that_cannot_be_loaded_is_named_and_the_process_is_ready(
    copied: Copied, metrics: Metrics
) -> None:
    engines, models = copied
    version = new_champion(copied)
    (models / version / "left.npy").unlink()
    standing = Standing(metrics)
    shelf = Shelf(engines.api, ModelStore.at(models, models), metrics, standing)
    shelf.look()
    assert standing.status == "ready"
    assert list(missing(shelf)) == [f"Model {version} is not loaded: popularity ranks in its place."]
    assert metrics.registry.get_sample_value("marquee_model_loaded") == 0


def test_a_catalogue_that_changed_is_taken_though_the_champion_is_damaged(
    copied: Copied, metrics: Metrics
) -> None:
    engines, models = copied
    shelf = Shelf(engines.api, ModelStore.at(models, models), metrics, Standing(metrics))
    shelf.look()
    before = shelf.stock
    (models / new_champion(copied) / "left.npy").unlink()
    run(engines.admin, "INSERT INTO movies (title, title_key, year) VALUES ('Zzyzx', 'zzyzx', 2099)")
    run(engines.admin, "UPDATE serving SET catalogue_revision = catalogue_revision + 1")
    shelf.look()
    assert (shelf.stock.version, len(shelf.stock.catalogue)) == (before.version, len(before.catalogue) + 1)


def test_a_table_that_somebody_holds_is_no_database_that_is_away(copied: Copied, metrics: Metrics) -> None:
    engines, models = copied
    url = engines.api.url.render_as_string(hide_password=False)
    impatient = open_engine(url, lock_timeout_s=0.1)
    shelf = Shelf(impatient, ModelStore.at(models, models), metrics, Standing(metrics))
    shelf.look()
    with engines.admin.begin() as holder:
        holder.execute(text("LOCK TABLE serving"))
        shelf.look()
    impatient.dispose()
    assert not shelf.database_away
    assert metrics.registry.get_sample_value("marquee_database_up") == 1


def test_an_error_nobody_foresaw_is_counted_and_the_process_starts(metrics: Metrics, copied: Copied) -> None:
    shelf = Shelf(copied[0].api, None, metrics, Standing(metrics))  # type: ignore[arg-type]
    shelf.open()
    shelf.close()
    failed = metrics.registry.get_sample_value("marquee_background_failures_total", {"thread": "shelf"})
    assert failed and failed >= 1
