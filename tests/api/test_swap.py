"""A new champion while requests run: no request fails, and none is answered by two models."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, create_engine

from api.metrics import Metrics
from api.shelf import POLL_S, Shelf
from api.standing import Standing
from recommender import artifact
from recommender.database import transaction
from recommender.history import History
from recommender.local.urls import PerRole
from recommender.model import Model
from recommender.model_store import ModelStore
from recommender.movies import read_catalogue
from recommender.ranking import Ranker, Wish
from tests.api.conftest import Service
from tests.recommender.champions import crown, fitted

SWAPS, IN_FLIGHT, CLIENTS, K = 20, 200, 20, 10
HALF = SWAPS // 2
BETWEEN = 10  # answers from one swap to the next
TAKEN_S = 10.0
FAILURES = "marquee_model_load_failures_total"


def narrowed(model: Model, rank: int) -> Model:
    """Another model: what is left of this one in fewer dimensions."""
    wide = tables_of(model)
    tables = {name: table[:, :rank].copy() if table.ndim == 2 else table for name, table in wide.items()}
    return with_tables(tables, {**model.card, "rank": rank})


def tables_of(model: Model) -> dict[str, NDArray[Any]]:
    return {name: getattr(model, name) for name in artifact.TYPES}


def with_tables(tables: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> Model:
    return Model(tables, *artifact.sealed(tables, dict(card)))


@dataclass
class Viewer:
    """A client's user, and what each version recommends to it."""

    client: httpx.Client
    user_id: int
    expected: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


@pytest.fixture
def admin(watchful: Service) -> Iterator[Engine]:
    engine = create_engine(watchful.urls.admin)
    yield engine
    engine.dispose()


@pytest.fixture
def versions(watchful: Service, admin: Engine) -> dict[str, Model]:
    """One more than are published."""
    models, whole = ModelStore.at(watchful.models, watchful.models), fitted(admin, SWAPS + 8)
    made = [narrowed(whole, rank) for rank in range(8, SWAPS + 9)]
    for model in made:
        models.save(model)
    return {model.version: model for model in made}


@pytest.fixture
def viewers(watchful: Service, admin: Engine, versions: dict[str, Model]) -> list[Viewer]:
    with transaction(admin) as connection:
        catalogue = read_catalogue(connection)
    rankers = {version: Ranker(catalogue, model) for version, model in versions.items()}
    return [_viewer(watchful, number, rankers) for number in range(CLIENTS)]


def _viewer(service: Service, number: int, rankers: dict[str, Ranker]) -> Viewer:
    client, seen = service.client(), [1 + number, 30 + number, 60 + 7 * number]
    body = {"history": [{"movie_id": movie_id, "rating": 5} for movie_id in seen]}
    viewer = Viewer(client, client.post("/recommendations", json=body).json()["user_id"])
    history = History.of(seen, [5.0] * len(seen))
    for version, ranker in rankers.items():
        picks = ranker.recommend(history, {}, Wish(k=K)).picks
        viewer.expected[version] = [(pick.movie_id, pick.score) for pick in picks]
    return viewer


class Load:
    """Requests that follow each other at once, so that as many as wanted are always in flight."""

    def __init__(self, service: Service, viewers: list[Viewer]) -> None:
        self.served: Counter[str] = Counter()  # answers by version
        self.faults: list[str] = []
        self._service, self._viewers = service, viewers
        self._open, self._answered = True, asyncio.Event()

    async def until_logged(self, words: str, seconds: float) -> None:
        """Looks again after each answer."""
        async with asyncio.timeout(seconds):
            while words not in self._service.log.read_text():
                await self.answers(1)

    async def answers(self, number: int) -> None:
        for _ in range(number):
            self._answered.clear()
            await self._answered.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=IN_FLIGHT)
        async with httpx.AsyncClient(
            base_url=self._service.url, limits=limits, timeout=30, trust_env=False
        ) as http:
            tasks = [asyncio.create_task(self._ask(http, n)) for n in range(IN_FLIGHT)]
            try:
                yield
            finally:
                self._open = False
                await asyncio.gather(*tasks)

    async def _ask(self, http: httpx.AsyncClient, number: int) -> None:
        viewer = self._viewers[number % CLIENTS]
        body, headers = {"user_id": viewer.user_id, "k": K}, dict(viewer.client.headers)
        while self._open:
            answer = await http.post("/recommendations", json=body, headers=headers)
            self._answered.set()
            if answer.status_code != 200:
                self.faults.append(answer.text)
            else:
                self._check(viewer, answer.json())

    def _check(self, viewer: Viewer, answer: Any) -> None:
        version = answer["model_version"]
        self.served[version] += 1
        if version not in viewer.expected:  # the stock's own, before the first swap
            return
        movies = answer["recommendations"]
        listed = [(movie["movie_id"], movie["score"]) for movie in movies]
        if not np.allclose(listed, viewer.expected[version], rtol=1e-4, atol=1e-6):
            self.faults.append(f"not what {version} recommends: {listed}")
        self.faults += [f"parts of {movie}" for movie in movies if not _adds_up(movie)]


def _adds_up(movie: Any) -> bool:
    parts = sum(reason["share"] for reason in movie["because"])
    parts += movie["because_rest"] + movie["prior"] + movie["preferences"]
    return bool(np.isclose(parts, movie["score"], rtol=1e-4, atol=1e-6))


def publish(admin: Engine, version: str) -> None:
    with transaction(admin) as connection:
        crown(connection, version)


def test_twenty_swaps_under_load_fail_no_request_and_mix_none(
    watchful: Service, admin: Engine, versions: dict[str, Model], viewers: list[Viewer]
) -> None:
    bad, *good = versions.values()
    damaged(ModelStore.at(watchful.models, watchful.models), bad)
    load = Load(watchful, viewers)

    async def swap(model: Model) -> None:
        publish(admin, model.version)
        await load.until_logged(f"with model {model.version}", TAKEN_S - POLL_S)
        await load.answers(BETWEEN)

    async def swap_all() -> None:
        async with load.running():
            await load.answers(BETWEEN)
            for model in good[:HALF]:
                await swap(model)
            publish(admin, bad.version)
            await load.until_logged(f"model {bad.version} is refused", TAKEN_S - POLL_S)
            for model in good[HALF:]:
                await swap(model)

    asyncio.run(swap_all())
    assert load.faults == []
    assert bad.version not in load.served
    assert len(load.served) > HALF
    assert (
        f"model {bad.version} is refused, {good[SWAPS // 2 - 1].version} goes on" in watchful.log.read_text()
    )


def damaged(models: ModelStore, model: Model) -> str:
    file = Path(models.url(model.version), "left.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    return model.version


def truncated(models: ModelStore, model: Model) -> str:
    file = Path(models.url(model.version), "right.npy")
    file.write_bytes(file.read_bytes()[:-100])
    return model.version


def missing(models: ModelStore, model: Model) -> str:
    shutil.rmtree(models.url(model.version))
    return model.version


def of_another_shape(models: ModelStore, model: Model) -> str:
    """Whole by its hashes; its card says one dimension more."""
    lying = with_tables(tables_of(model), {**model.card, "rank": model.card["rank"] + 1})
    models.save(lying)
    return lying.version


def not_finite(models: ModelStore, model: Model) -> str:
    tables = tables_of(model)
    tables["right"] = np.full_like(tables["right"], np.nan)
    broken = with_tables(tables, model.card)
    models.save(broken)
    return broken.version


Copied = tuple[PerRole[Engine], Path]


@pytest.mark.parametrize("spoil", [damaged, truncated, missing, of_another_shape, not_finite])
def test_a_spoilt_artifact_is_refused_while_the_old_one_serves(
    copied: Copied, caplog: pytest.LogCaptureFixture, spoil: Callable[[ModelStore, Model], str]
) -> None:
    engines, folder = copied
    models, metrics = ModelStore.at(folder, folder), Metrics()
    shelf = Shelf(engines.api, models, metrics, Standing(metrics))
    shelf.look()
    old = shelf.stock
    assert old.version
    model = narrowed(models.load(old.version), 4)
    models.save(model)
    version = spoil(models, model)
    publish(engines.admin, version)
    shelf.look()
    assert shelf.stock is old
    assert metrics.registry.get_sample_value(FAILURES) == 1
    assert f"model {version} is refused, {old.version} goes on serving" in caplog.text
