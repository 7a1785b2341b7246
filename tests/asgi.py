"""Requests to a service's application, in this process and without workers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


def ask(app: Any, *requests: tuple[str, str, dict[str, str]]) -> list[httpx.Response]:
    """The answers to requests: method, path, headers."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            client.headers.pop("accept-encoding")
            return [await client.request(method, path, headers=headers) for method, path, headers in requests]

    return asyncio.run(all_of_them())
