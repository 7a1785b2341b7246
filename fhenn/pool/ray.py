"""A pool on a Ray cluster."""

from __future__ import annotations

from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.backends import runs_on
from fhenn.ckks.evaluator import SEAL
from fhenn.ckks.messages import EvaluationMessage
from fhenn.errors import PoolFailed
from fhenn.nn import Node
from fhenn.planner import Plan, fingerprint_of
from fhenn.pool.actors import Actors
from fhenn.pool.base import Pool, number_of_workers
from fhenn.pool.cluster import Cluster
from fhenn.safety import Certificate
from fhenn.session import Server
from fhenn.wire import as_bytes

_MOST_THREADS = 8
"""Threads of an actor: what is computed in Python takes turns within a process."""


class RayPool(Pool):
    """`Server` on a Ray cluster: as many parts at once as there are workers, and the same answers.

    The workers are threads of Ray actors. On the native evaluator an actor has as many as the smallest node has cores,
    8 at most, and these share one copy of the keys and of the encoded weights: one a node, or one for each 8 cores of
    it. On SEAL each actor has one thread. Ray places the actors where CPUs are free, and adds nodes where the cluster
    has an autoscaler. Model, plan and evaluation keys are put into Ray's object store once, and travel to a node once.

    An actor that dies, of a message or with its node, is replaced, and its parts are done again elsewhere, one at a
    time, so that a part that ends actors is told from those beside it. A part that ended three is refused.

    Every node needs the same version of fhenn. The secret key has no place here: what reaches a cluster is in its
    memory and perhaps on its disks, and whoever may run tasks there can read it.

    model: that the plan was made for.
    plan: from `fhenn.plan`.
    evaluation_keys: bytes of `Client.evaluation_keys`; bytes that hold a secret key are refused.
    address: of the cluster's head, HOST:PORT, from a machine that is part of it; "ray://HOST:PORT" from elsewhere, with
        `ray[client]`. None for what RAY_ADDRESS names, else the cluster of this machine, else one that is started on
        this machine and ends with the pool.
    workers: how many parts are computed at once, each on a CPU; None for one a CPU of the cluster.
    certificate: from `fhenn.certify`; it must hold for model and plan. None for none.

    Close it, or use it as a context: `with` ends the actors.

    >>> with fhenn.RayPool(model, plan, keys, "10.0.0.1:6379") as pool:  # doctest: +SKIP
    ...     answers = list(pool.predict_stream(uploads))

    Raises what `Server` raises, ExtraMissing, ClusterUnreachable, VersionsDiffer, ParameterError for another number of
    workers, PoolFailed where no actor starts, UnsupportedValue for nodes of your own.
    """

    def __init__(
        self,
        model: Node,
        plan: Plan,
        evaluation_keys: bytes,
        address: str | None = None,
        workers: int | None = None,
        *,
        certificate: Certificate | None = None,
    ) -> None:
        least = number_of_workers(workers)
        keys = as_bytes("evaluation keys", evaluation_keys)
        EvaluationMessage.decode(keys)  # no secret key gets there
        Server(model, plan, keys, certificate=certificate)  # raises what is wrong with them here, not on each node
        contents = model_to_bytes(model), plan_to_bytes(plan), keys
        cluster = Cluster(address, least)
        try:
            cores = cluster.cores
            count = workers or sum(cores)
            if not count:
                raise PoolFailed("the cluster has no CPUs.", "Say how many workers there are to be.")
            evaluator = runs_on(plan.evaluator)
            threads = 1 if evaluator == SEAL.name else min(_MOST_THREADS, count, *cores)
            sizes = [min(threads, count - first) for first in range(0, count, threads)]
            engine = Actors(cluster, contents, evaluator, sizes)
        except BaseException:
            cluster.close()
            raise
        super().__init__(plan, fingerprint_of(model), count, engine)

    @property
    def _where(self) -> str:
        return "Ray actors"
