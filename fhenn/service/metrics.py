"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """Counters of one service; none of them names an owner."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fhenn_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "fhenn_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.evaluation = Histogram(
            "fhenn_evaluation_seconds",
            "Time of a worker for a prediction, waiting for the worker included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.deaths = Counter("fhenn_worker_deaths", "Workers that died.", ("exit_code",), registry=self.registry)
        self.workers = Gauge("fhenn_workers", "Worker processes.", ("state",), registry=self.registry)
        self.waiting = Gauge("fhenn_waiting", "Predictions that wait for a worker.", registry=self.registry)
        self.connections = Gauge("fhenn_connections", "Open connections.", ("kind",), registry=self.registry)
        self.resident = Gauge(
            "fhenn_worker_resident_bytes", "Memory that the largest worker holds.", registry=self.registry
        )
        self.replacements = Counter(
            "fhenn_workers_recycled", "Workers replaced because they held too much memory.", registry=self.registry
        )
        self.held_bytes = Gauge(
            "fhenn_held_bytes",
            "Bytes of bodies in memory and of answers on their way.",
            registry=self.registry,
        )

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
