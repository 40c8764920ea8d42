"""The parameters that were chosen, what for and how sure that is; as a file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from recommender.errors import BadInput
from recommender.model import Parameters, parameters_of
from recommender.tuning.steps import CHOSEN


@dataclass(frozen=True, slots=True)
class Choice:
    parameters: Parameters
    about: Mapping[str, Any] | None  # None = nobody chose: the defaults

    @classmethod
    def read(cls, content: bytes, named: str) -> Self:
        try:
            written = json.loads(content)
            return cls(parameters_of(written), dict(written["tuned"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{named} holds no parameters that were chosen: {error!r}.") from None
        except BadInput as error:
            raise BadInput(f"{named}: {error}") from None

    def written(self) -> bytes:
        """The same choice in the same bytes, without the parameters that are not chosen."""
        chosen = {name: getattr(self.parameters, name) for name in CHOSEN}
        return json.dumps({"parameters": chosen, "tuned": self.about}, indent=2).encode() + b"\n"
