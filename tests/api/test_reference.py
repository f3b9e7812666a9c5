"""The OpenAPI document and its page: logged out, offline, and true."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.api.openapi import check_response

pytestmark = pytest.mark.django_db


def test_the_document_is_openapi_3_1(client: Client) -> None:
    response = client.get("/api/schema/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-request-id"]
    assert response.headers["X-RateLimit-Remaining"]
    document = response.json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


def test_every_endpoint_documents_its_errors_and_headers(client: Client) -> None:
    document = client.get("/api/schema/").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary"), where
            assert {"429", "500", "503"} <= set(operation["responses"]), where
            public = not operation.get("security")
            assert public or {"401", "403", "404"} <= set(operation["responses"]), where
            for status, answer in operation["responses"].items():
                assert {"x-request-id", "X-RateLimit-Limit"} <= set(
                    answer["headers"]
                ), f"{where} {status}"


def test_answers_are_as_documented(client: Client) -> None:
    check_response(client.get("/api/v2/health"), "get", "/api/v2/health")
    response = client.post("/api/v2/health")
    check_response(response, "get", "/api/v2/health")
    with pytest.raises(AssertionError):
        check_response(client.get("/api/schema/"), "get", "/api/schema/")


def test_the_page_needs_no_other_host(client: Client) -> None:
    response = client.get("/api/docs/")
    page = response.content.decode()
    assert response.status_code == 200
    assert response.headers["x-request-id"]
    assert response.headers["X-RateLimit-Remaining"]
    assert "script-src 'self';" in response.headers["Content-Security-Policy"]
    assert not re.search(r"https?://", page)
    assert "<script>" not in page
    links: list[Any] = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) == 7
    for link in links:
        assert client.get(link).status_code == 200, link
