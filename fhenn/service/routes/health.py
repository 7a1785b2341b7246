"""Health and metrics: for whoever runs the service; no token needed."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from fhenn.service.metrics import MEDIA_TYPE as METRICS_TYPE
from fhenn.service.problems import Problem
from fhenn.service.routes.dependencies import ServiceHere, problems
from fhenn.service.schemas import State

router = APIRouter(tags=["health"])
_PATIENCE = 2.0
"""Seconds that the disk may take to show the store."""


@router.get("/health/live", summary="Whether the process answers")
async def live() -> State:
    """200 as long as it runs."""
    return State(status="live")


@router.get("/health/ready", summary="Whether it can predict", responses=problems(503))
async def ready(service: ServiceHere) -> State:
    """200 where a worker is alive and the store is there, 503 otherwise."""
    try:
        async with asyncio.timeout(_PATIENCE):
            present = await service.disk(lambda: service.store.present)
    except TimeoutError:
        present = False
    if not present:
        raise Problem(
            503, "store-gone", "The service cannot reach its store. Ask its operator to look at it.", retry_after=5
        )
    if not service.pool.alive:
        raise Problem(503, "not-ready", "The workers are starting. Try again.", retry_after=1)
    return State(status="ready")


@router.get("/metrics", summary="Counters, for Prometheus", response_class=Response)
async def metrics(service: ServiceHere) -> Response:
    """Requests by route and status, times, workers and their deaths, what waits and what is held."""
    return Response(service.metrics.text(), media_type=METRICS_TYPE)
