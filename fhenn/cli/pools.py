"""Where commands compute on uploads: on the cores of this machine, or on a Ray cluster."""

from __future__ import annotations

import click

from fhenn.nn import Node
from fhenn.planner import Plan
from fhenn.pool import LocalPool, RayPool
from fhenn.pool.base import Pool
from fhenn.safety import Certificate

ray_option = click.option(
    "--ray",
    "cluster",
    metavar="ADDRESS",
    help="Compute on a Ray cluster: HOST:PORT of its head, or `auto` on a machine that is part of one.",
)


def open_pool(
    model: Node,
    plan: Plan,
    keys: bytes,
    workers: int | None,
    cluster: str | None,
    certificate: Certificate | None = None,
) -> Pool:
    """What computes.

    model: that is run.
    plan: that it is run by.
    keys: evaluation keys, as a message.
    workers: how many parts at once; None for as many as there are processors, here or there.
    cluster: the address of a Ray cluster; None for this machine.
    certificate: that must hold for model and plan; None for none.

    Raises what `LocalPool` and `RayPool` raise.
    """
    if cluster is None:
        return LocalPool(model, plan, keys, workers=workers, certificate=certificate)
    return RayPool(model, plan, keys, cluster, workers, certificate=certificate)
