"""The API of the API's own tests."""

from tests.api.conftest import serve, service, stock, stocked

__all__ = ["serve", "service", "stock", "stocked"]
