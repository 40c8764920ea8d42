"""Who asks. A token says which client; that the client is active is seen when its scope is opened."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from api.asked import asked_now
from api.limits import address_of
from api.platform import Here
from recommender.errors import Refused

BEARER = OAuth2PasswordBearer("token", scheme_name="client", auto_error=False)


@dataclass(frozen=True, slots=True)
class Client:
    client_id: int


async def identified(here: Here, token: Annotated[str | None, Depends(BEARER)]) -> Client:
    if token is None:
        raise Refused("This address wants a bearer token; POST /token gives one.")
    client = Client(here.tokens.client_of(token))
    asked_now().client_id = client.client_id
    here.limits.requests.take(client.client_id)
    return client


async def signed_in(here: Here, client: Annotated[Client, Depends(identified)]) -> Client:
    """Its turn ends with the request: a dependency that yields would cost as much as a list does."""
    asked_now().give_back = await here.turns.take(client.client_id)
    return client


SignedIn = Annotated[Client, Depends(signed_in)]


async def caller(request: Request, here: Here) -> str:
    return address_of(request, here.settings.proxies)


Caller = Annotated[str, Depends(caller)]
