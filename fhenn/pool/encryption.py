"""Encryption of tables on a Ray cluster, with the public key."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import fhenn
from fhenn.artifacts import plan_from_bytes, plan_to_bytes
from fhenn.columns import Preparing
from fhenn.cores import cores
from fhenn.errors import ExtraMissing, FeatureMismatch, FhennError, ParameterError, PoolFailed, VersionsDiffer
from fhenn.planner import Plan
from fhenn.pool.base import number_of_workers
from fhenn.pool.cluster import Cluster
from fhenn.session import EncryptedStream, Encryptor
from fhenn.session.stream import SubmitSamples

_BATCH = 1 << 15
"""Rows that are taken from a data set at once."""
_READERS = {".parquet": "read_parquet", ".csv": "read_csv"}


class RayEncryptor(Encryptor):
    """`Encryptor` whose parts are encrypted by a Ray cluster, and whose rows Ray Data reads from wherever they are.

    The public key is all that reaches the cluster, and the rows: who may run tasks there can read them. A task whose
    process or node dies is done again.

    plan: as for `Encryptor`.
    evaluation_keys: as for `Encryptor`.
    address: of the cluster, as for `RayPool`.
    progress: as for `Encryptor`.
    memory, preparation: as for `Encryptor`.

    Close it, or use it as a context.

    >>> with fhenn.pool.RayEncryptor(plan, keys, "10.0.0.1:6379") as encryptor:  # doctest: +SKIP
    ...     for part in encryptor.encrypt_stream(encryptor.read("s3://clinic/rows/*.parquet")):
    ...         file.write(part)

    Raises what `Encryptor` raises, ExtraMissing, ClusterUnreachable.
    """

    def __init__(
        self,
        plan: Plan,
        evaluation_keys: bytes,
        address: str | None = None,
        *,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        memory: float | None = None,
        preparation: Preparing | None = None,
    ) -> None:
        super().__init__(plan, evaluation_keys, progress=progress, memory=memory, preparation=preparation)
        self._cluster = Cluster(address, cores())

    def encrypt_stream(self, rows: Any, *, workers: int | None = None, after: Any = ()) -> EncryptedStream:
        """Encrypt samples part by part, as `Encryptor.encrypt_stream` does.

        rows: as there; of `read`, for instance.
        workers: parts that are encrypted at once; None for one a CPU of the cluster.
        after: as there.

        Raises, as messages are taken, what `Encryptor.encrypt_stream` raises, VersionsDiffer, PoolFailed.
        """
        count = int(self._cluster.ray.cluster_resources().get("CPU", 0)) if workers is None else workers
        return super().encrypt_stream(rows, workers=number_of_workers(count or 1), after=after)

    def read(self, place: str, names: Sequence[str] | None = None) -> Iterator[Any]:
        """The rows of tables, in their order, by Ray Data.

        place: path or URL of .parquet or .csv files, which the whole cluster can read; several with a `*`, or a folder.
        names: of the columns to take; None for the plan's features, or those that the preparation takes, or all columns
        where there are no names.

        Returns arrays (rows, features), or DataFrames for a preparation, each read when it is asked for.
        Raises ParameterError for another ending or where nothing is there to read, FeatureMismatch, ExtraMissing.
        """
        raw = self._preparation is not None
        wanted = names or (self._preparation.names if self._preparation is not None else self.plan.feature_names)
        rows = self._dataset(place)
        columns = list(rows.columns() or ())
        if wanted is not None and not {*wanted} <= {*columns}:
            raise FeatureMismatch(tuple(columns), tuple(wanted), raw)
        return _batches(rows, list(wanted or columns), raw)

    def close(self) -> None:
        """Leave the cluster; it may be called again."""
        self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _dataset(self, place: str) -> Any:
        try:
            data = importlib.import_module("ray.data")
            importlib.import_module("pandas")
        except ImportError as error:
            raise ExtraMissing("ray.data and pandas", "ray") from error
        reader = next((name for ending, name in _READERS.items() if ending in place.lower()), "")
        if not reader:
            raise ParameterError(
                f"{place} does not name .parquet or .csv files.", "Give their path or URL, with a * for several."
            )
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of its plans on the terminal
        settings = data.DataContext.get_current()
        settings.execution_options.preserve_order = True
        settings.enable_progress_bars = False
        settings.print_on_execution_start = False
        try:
            return getattr(data, reader)(_found(place))
        except (OSError, ValueError) as error:
            raise ParameterError(f"{place} cannot be read: {str(error)[:200]}", "Give files that are there.") from error

    @contextmanager
    def _encryption(self, workers: int, several: bool) -> Iterator[tuple[SubmitSamples, int]]:
        """What has the cluster encrypt a part, and how many at once."""
        ray = self._cluster.ray
        plan, keys = ray.put(plan_to_bytes(self.plan)), ray.put(self._keys)
        task = ray.remote(_encrypt_part).options(num_cpus=1, max_retries=3)

        def submit(values: NDArray[np.float64], part: int, stream: str | None) -> Future[bytes]:
            future: Future[bytes] = Future()
            running = task.remote(fhenn.__version__, plan, keys, self._memory, values, part, stream).future()
            running.add_done_callback(lambda done: _hand_over(done, future))
            return future

        yield submit, 2 * workers


def _found(place: str) -> str | list[str]:
    """The files that a place with a * names, in the order of their names. Raises OSError."""
    if "*" not in place:
        return place
    files = importlib.import_module("fsspec").core.url_to_fs(place)[0]
    found = sorted(files.glob(place))
    if not found:
        raise FileNotFoundError(place)
    return [files.unstrip_protocol(each) if "://" in place else each for each in found]


def _batches(rows: Any, columns: list[str], raw: bool) -> Iterator[Any]:
    """Rows of a data set, as arrays, or as DataFrames where they are raw.

    Raises ParameterError where a column holds no numbers.
    """
    for batch in rows.select_columns(columns).iter_batches(batch_size=_BATCH, batch_format="pandas"):
        try:
            yield batch[columns] if raw else batch[columns].to_numpy(np.float64)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"a column holds something else than numbers ({str(error)[:100]}).", "Name the columns to take."
            ) from error


def _encrypt_part(
    version: str, plan: bytes, keys: bytes, memory: float, values: NDArray[np.float64], part: int, stream: str | None
) -> bytes | str:
    """The message of a part, made on a node of the cluster; the version of fhenn there where it is another one."""
    if version != fhenn.__version__:
        return fhenn.__version__
    return _encryptor(plan, keys, memory)._encrypt_part(values, part, stream)


@lru_cache(1)
def _encryptor(plan: bytes, keys: bytes, memory: float) -> Encryptor:
    """The encryptor of a process of the cluster, which is kept for the next part."""
    return Encryptor(plan_from_bytes(plan), keys, memory=memory)


def _hand_over(done: Future[bytes | str], future: Future[bytes]) -> None:
    """Hand a part over, or what went wrong."""
    if not future.set_running_or_notify_cancel():
        return
    error = done.exception()
    if isinstance(error, FhennError):
        future.set_exception(error)
    elif error is not None:
        future.set_exception(
            PoolFailed(
                f"Ray does not encrypt ({type(error).__name__}).",
                "The logs of the cluster say more, in the folder of its session on each node.",
            )
        )
    else:
        result = done.result()
        if isinstance(result, bytes):
            future.set_result(result)
        else:
            future.set_exception(VersionsDiffer("a node", f"fhenn {result}", f"fhenn {fhenn.__version__}"))
