"""Types that requests share. What Postgres or JSON cannot hold is refused here, by the name of its field."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _storable(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("has a NUL character or half a surrogate pair")
    return value


Text = Annotated[str, AfterValidator(_storable)]


class Body(BaseModel):
    """A request's body. A field that does not exist is refused, because a misspelt filter must not pass."""

    model_config = ConfigDict(extra="forbid")
