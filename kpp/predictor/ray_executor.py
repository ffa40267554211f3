"""Trains services on a Ray cluster (`kpp train --executor ray`); the only module that imports Ray.

Ray schedules, moves the data, and runs again what a lost machine was at. A task trains a few services and
returns their models; the files are written where `kpp train` runs.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import ModuleType
from typing import Any

from kpp.errors import ConfigError, KppError
from kpp.predictor.finishing import Finished
from kpp.predictor.main import train_here
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.group import OnEpoch, sort_key
from kpp.predictor.training import CPU_GROUP, GPU_GROUP

MOST_RETRIES = 10  # of one task; each is a machine or a process that was lost
ANSWER_SECONDS = 10.0  # for a connection to the cluster's head
NAME_ONE = "name a running cluster as HOST:PORT (`ray start --head` starts one), or leave --address out"
TASKS_PER_CPU = 2  # under way or waiting; the other services stay here, so that the cluster holds few at once


@dataclass(frozen=True)
class RayExecutor:
    """Trains on a Ray cluster; see `kpp.predictor.main.Executor`.

    Attributes:
        address: of the cluster's head, as `ray.init` takes it; None: Ray starts on this machine alone.
        services_per_task: trained together by one task; 0: as many as suit the device.
    """

    address: str | None = None
    services_per_task: int = 0

    def __post_init__(self) -> None:
        _import_ray()  # where it is missing, that is told at once

    def __call__(
        self, datasets: Sequence[ServiceDataset], settings: TrainingSettings, on_epoch: OnEpoch
    ) -> Iterator[Finished]:
        """Train each service somewhere in the cluster; as they are ready. Epochs are not told.

        Raises:
            ConfigError: Ray is not installed, the cluster cannot be reached or gives up, or lacks a device.
        """
        del on_epoch  # a message for each epoch would cross the network
        size = self.services_per_task or (GPU_GROUP if settings.device == "cuda" else CPU_GROUP)
        alike = sorted(datasets, key=lambda dataset: sort_key(dataset, settings), reverse=True)
        shards = iter([alike[at : at + size] for at in range(0, len(alike), size)])
        with _connected(self.address) as ray:
            train = ray.remote(num_cpus=1, num_gpus=int(settings.device == "cuda"), max_retries=MOST_RETRIES)(
                _train_shard
            )
            most = TASKS_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
            waiting = [train.remote(shard, settings) for shard in islice(shards, most)]
            while waiting:
                done, waiting = ray.wait(waiting)
                waiting += [train.remote(shard, settings) for shard in islice(shards, len(done))]
                for task in done:
                    yield from _get(ray, task)


def _train_shard(datasets: Sequence[ServiceDataset], settings: TrainingSettings) -> list[Finished]:
    return list(train_here(datasets, settings, lambda _service, _epoch: None))


def _get(ray: ModuleType, task: Any) -> list[Finished]:
    """A task's result, or its error as one of ours."""
    try:
        result: list[Finished] = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, KppError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        reason = str(error).partition("\n")[0]
        mend = "look at the cluster with `ray status`; then run the same command again to go on"
        raise ConfigError(f"the Ray cluster gave up on a task: {reason}", mend=mend) from error
    return result


@contextmanager
def _connected(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to the cluster; one that is started here stays on loopback and stops at the end."""
    ray = _import_ray()
    if address is not None:
        _check_answers(address)
    local = {"_node_ip_address": "127.0.0.1", "include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        reason = str(error).partition("\n")[0]
        where = f"--address {address}" if address else "--executor ray"
        raise ConfigError(f"Ray does not start: {reason}", where=where, mend=NAME_ONE) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would wait for minutes."""
    if address == "auto":  # Ray's word for the cluster that runs on this machine
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"no Ray cluster: {error}", where=f"--address {address}", mend=NAME_ONE) from None


def _import_ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray starts; it would call home
    try:
        import ray
    except ImportError:
        mend = "install it with `pip install 'kpp[ray]'`, or leave --executor out"
        raise ConfigError("Ray is not installed", where="--executor ray", mend=mend) from None
    module: ModuleType = ray
    return module
