"""openapi.json describes exactly what the API does."""

from __future__ import annotations

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from broker.redis.client import Client
from inspector.api import requests
from inspector.api.operation import BASE
from inspector.api.routes import OPERATIONS
from inspector.operations.filters import Filter
from tests.inspector.api.calling import DOCUMENT, add_few, calling
from tests.inspector.web.serving import serving
from tests.redis_server import RedisServer
from tools import openapi


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_is_up_to_date_with_the_operations() -> None:
    is_made_from_them = openapi.FILE.read_text() == openapi.text()
    assert is_made_from_them, "run: make docs"


async def test_the_document_has_every_route_with_its_permission(redis_server: RedisServer) -> None:
    async with serving(redis_server.url) as served:
        found = {
            (route.method, route.resource.canonical)
            for route in served.site._runner.app.router.routes()
            if route.resource and route.resource.canonical.startswith(BASE) and route.method != "HEAD"
        }
    described = {
        (method.upper(), path): operation["x-right"]
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
    }
    assert found - set(described) == {("GET", f"{BASE}/openapi.json")}
    assert described == {(operation.method, BASE + operation.path): operation.right for operation in OPERATIONS}


def test_every_field_of_a_filter_is_a_parameter() -> None:
    assert set(requests.Filter.__struct_fields__) == set(Filter.__struct_fields__)
    values = msgspec.structs.asdict(Filter())
    assert msgspec.structs.asdict(requests.filter_of(requests.Filter())) == values


def test_everything_is_described() -> None:
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            assert operation["summary"] and operation["description"]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema.get("description"), name


async def test_the_document_needs_no_login(redis_server: RedisServer, redis: Client) -> None:
    await add_few(redis, 1)
    async with calling(redis_server) as api:
        answer = await api.get("/openapi.json", by="")
    assert answer.status == 200
    assert answer.content == openapi.FILE.read_bytes()


def test_a_changed_operation_changes_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "OPERATIONS", OPERATIONS[1:])
    # Compared outside of the assertion, because pytest takes minutes to show the difference of two such texts.
    is_as_before = openapi.FILE.read_text() == openapi.text()
    assert not is_as_before
