"""What every verb needs: the database and the stores that the settings name, and a word to the person."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any

import click
from sqlalchemy import Connection, Engine

from recommender.days import parse_day
from recommender.errors import BadInput
from recommender.settings import DatabaseSettings, DataSettings, ModelSettings


def say(sentence: str) -> None:
    click.echo(sentence)


def open_database() -> Engine:
    from recommender.database import open_engine

    return open_engine(DatabaseSettings.read().database_url)


def in_database() -> AbstractContextManager[Connection]:
    """One transaction, for the verbs that need no more."""
    from recommender.database import transaction

    return transaction(open_database())


def open_data() -> Any:
    """The store of the days' files."""
    from recommender.files import Store

    return Store.at(DataSettings.read().data_url)


def open_models() -> Any:
    """The store of model versions."""
    from recommender.model_store import ModelStore

    settings = ModelSettings.read()
    return ModelStore.at(settings.models_url, settings.model_cache)


class DayType(click.ParamType[date]):
    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return parse_day(value)
        except BadInput as error:
            self.fail(str(error), param, ctx)


day_option = click.option(
    "--day", type=DayType(), required=True, metavar="YYYY-MM-DD", help="The day of the data (UTC)."
)
force_option = click.option(
    "--force",
    "reason",
    metavar="REASON",
    callback=lambda _context, _option, reason: reason or None,  # a DAG that has none says ""
    help="Go on where the rule would stop; the reason is kept.",
)


def tell(record: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """The record of what was done, as JSON, for whoever asked with `marquee --record`."""
    file = click.get_current_context().find_root().params["record"]
    if file is None:
        return
    written = json.dumps(record, default=str)
    if file == "-":
        click.echo(written)
    else:
        with click.open_file(file, "w", encoding="utf-8") as stream:
            stream.write(written + "\n")
