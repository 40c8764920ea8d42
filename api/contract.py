"""python -m api.contract: the OpenAPI document as it is committed in api/openapi.json."""

import json
import secrets
import sys

from pydantic import SecretStr

from api.app import create_app
from api.settings import ApiSettings


def written() -> str:
    """Nothing is opened for it, so any settings do."""
    settings = ApiSettings(
        database_url="postgresql://",
        tombstone_key=SecretStr(secrets.token_hex(32)),
        jwt_keys=SecretStr(f"a:{secrets.token_hex(32)}"),
    )
    return json.dumps(create_app(settings).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(written())
