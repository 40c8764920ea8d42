"""Types that requests share. What Postgres or JSON cannot hold is refused here, by the name of its field."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _storable(value: str) -> str:
    if "\x00" in value or not (value.isascii() or _has_utf8(value)):
        raise ValueError("has a NUL character or half a surrogate pair")
    return value


def _has_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


Text = Annotated[str, AfterValidator(_storable)]


class Body(BaseModel):
    """A request's body. A field that does not exist is refused, because a misspelt filter must not pass."""

    model_config = ConfigDict(extra="forbid")
