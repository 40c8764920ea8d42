"""/docs as a browser would get it."""

import re
from typing import Any


def test_the_docs_page_asks_no_other_host(service: Any) -> None:
    page = service.http.get("/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    assert all(link.startswith("/") for link in links), links


def test_what_the_docs_page_needs_is_there(service: Any) -> None:
    page = service.http.get("/docs").text
    for link in [*re.findall(r'(?:src|href)="([^"]+)"', page), "/openapi.json"]:
        assert service.http.get(link).status_code == 200, link
