"""What one process holds while it serves, handed to each route as `here: Here`."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Engine

from api.figures import FiguresReader
from api.lanes import Lanes
from api.limits import Limits
from api.metrics import Metrics
from api.passwords import Passwords
from api.served import ServedLog
from api.settings import ApiSettings
from api.shelf import Shelf
from api.standing import Standing
from api.tokens import Tokens
from api.traffic import Traffic
from api.turns import Turns


@dataclass(frozen=True, slots=True)
class Platform:
    settings: ApiSettings
    engine: Engine
    lanes: Lanes
    metrics: Metrics
    standing: Standing
    limits: Limits
    turns: Turns
    tokens: Tokens
    passwords: Passwords
    shelf: Shelf
    log: ServedLog
    figures: FiguresReader
    traffic: Traffic


async def platform(request: Request) -> Platform:
    return cast(Platform, request.app.state.platform)


Here = Annotated[Platform, Depends(platform)]
