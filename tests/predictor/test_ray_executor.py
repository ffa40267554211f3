"""Training on Ray's workers, one of which is killed midway; all on this machine, on loopback."""

import builtins
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpp.errors import ConfigError
from kpp.predictor.checkpoints import read_model
from kpp.predictor.main import train_all
from kpp.predictor.model_config import ModelConfig
from kpp.predictor.ray_executor import RayExecutor
from kpp.predictor.settings import TrainingSettings
from tests.measurements import make_measurements, write_measurements
from tests.predictor.datasets import make_dataset
from tests.predictor.test_main import Listener, names_in, train

SERVICES = [f"service-{number:02}" for number in range(6)]
SETTINGS = TrainingSettings(max_epochs=10)


class Saboteur(Listener):
    """Kills a worker that trains as soon as the first service is done."""

    killed = 0

    def service_done(self, config: ModelConfig) -> None:
        super().service_done(config)
        busy = workers_below(os.getpid())
        if not self.killed and busy:
            os.kill(busy[0], signal.SIGKILL)
            self.killed = busy[0]


def workers_below(process: int) -> Sequence[int]:
    """Ray's workers that run a task now, among the descendants of a process."""
    lines = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    parents, titles = {}, {}
    for line in lines.splitlines():
        pid, parent, title = line.split(maxsplit=2)
        parents[int(pid)], titles[int(pid)] = int(parent), title

    def descends(pid: int) -> bool:
        while pid in parents and pid != process:
            pid = parents[pid]
        return pid == process

    return [pid for pid, title in titles.items() if title.startswith("ray::_train_shard") and descends(pid)]


@pytest.mark.filterwarnings("ignore")  # of Ray and what it loads
def test_a_worker_that_is_lost_midway_loses_nothing(tmp_path: Path) -> None:
    rows = make_measurements(SERVICES)
    file = write_measurements(rows, tmp_path / "rows.csv")
    listener = Saboteur()

    folders = tmp_path / "models", tmp_path / "plots"
    result = train_all([file], *folders, SETTINGS, listener, executor=RayExecutor(services_per_task=1))

    assert listener.killed
    assert sorted(listener.done) == [config.service for config in result.trained] == SERVICES
    here = train(rows, tmp_path / "here", SETTINGS)
    for folder in ("models", "plots"):
        assert names_in(tmp_path / folder) == names_in(tmp_path / "here" / folder)
    same = 0
    for one, other in zip(result.trained, here.trained, strict=True):
        assert one.data_digest == other.data_digest
        assert read_model(tmp_path / "models", one.service).service == one.service
        losses = [config.training.best_validation_loss for config in (one, other)]
        same += losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert same >= len(SERVICES) - 1  # rounding may turn the sign of an error near 0, and so a step
    assert workers_below(os.getpid()) == []  # Ray has stopped


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere", "127.0.0.1:port"])
def test_an_address_without_a_cluster_is_one_line_at_once(address: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"--address {address}: no Ray cluster: .*; name a running cluster"
    ):
        next(RayExecutor(address)([make_dataset(np.ones((40, 3)))], SETTINGS, lambda *_: None))


def test_without_ray_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_ray(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "ray":
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_ray)

    with pytest.raises(ConfigError, match=r"Ray is not installed; .*pip install 'kpp\[ray\]'"):
        RayExecutor()
