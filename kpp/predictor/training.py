"""Fits one service's GRU: the loop, and the choice of the best weights."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from kpp.errors import ConfigError
from kpp.predictor.model import PerformancesGRU
from kpp.predictor.relative_loss import relative_weights, usual_sizes
from kpp.predictor.windows import ServiceDataset, Windows
from kpp.schema import TARGETS

DEVICES = ("auto", "cpu", "cuda")

OnEpoch = Callable[[int], None]  # called with the number of epochs done


@dataclass(frozen=True)
class TrainingSettings:
    """How a service's weights are fitted; docs/training.md has the measurements behind the defaults."""

    seed: int = 0
    device: str = "cpu"
    max_epochs: int = 100
    largest_batch: int = 64
    smallest_batch: int = 8
    least_batches: int = 8  # per epoch: with few rows the batches shrink, else the weights hardly move
    learning_rate: float = 5e-3
    learning_rate_factor: float = 0.5
    learning_rate_patience_epochs: int = 5
    stop_patience_epochs: int = 15


@dataclass(frozen=True)
class Fit:
    """The best weights of one service, and how they came about."""

    network: PerformancesGRU  # on the CPU, in evaluation mode
    unlearned_targets: tuple[str, ...]  # never measured in the rows that were fitted
    epochs: int
    best_epoch: int
    best_validation_loss: float


def select_device(name: str) -> torch.device:
    """Turn `auto`, `cpu` or `cuda` into a device; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: the name is none of these, or no GPU can be used.
    """
    if name not in DEVICES:
        raise ConfigError(
            f"{name!r} is no device", where="--device", mend=f"choose one of {', '.join(DEVICES)}"
        )
    usable = torch.cuda.is_available()
    if name == "cuda" and not usable:
        mend = "choose --device cpu, or install a PyTorch build with CUDA and a driver for it"
        raise ConfigError("PyTorch finds no CUDA device", where="--device cuda", mend=mend)
    return torch.device("cuda" if usable and name != "cpu" else "cpu")


def seed_of(seed: int, service: str) -> int:
    """Derive a service's own seed, so that its weights do not depend on which services are trained beside it.

    >>> seed_of(0, "cartservice") == seed_of(0, "cartservice")
    True
    >>> seed_of(0, "cartservice") == seed_of(1, "cartservice")
    False
    """
    digest = hashlib.sha256(f"{seed}:{service}".encode()).digest()
    return int.from_bytes(digest[:7], "big")  # 56 bits: exact in every number format


def batch_size_for(rows: int, settings: TrainingSettings) -> int:
    """The batch size for so many rows to fit.

    >>> [batch_size_for(rows, TrainingSettings()) for rows in (10, 132, 550)]
    [8, 16, 64]
    """
    return min(max(rows // settings.least_batches, settings.smallest_batch), settings.largest_batch)


@dataclass(frozen=True)
class _Part:
    """Windows as tensors on the device."""

    inputs: torch.Tensor  # (n, lookback_steps, features)
    targets: torch.Tensor  # (n, targets), 0 where not measured
    weights: torch.Tensor  # (n, targets), 0 where not measured

    @classmethod
    def of(cls, windows: Windows, dataset: ServiceDataset, device: torch.device) -> "_Part":
        usual = usual_sizes(dataset.fit, windows.user_counts)
        weights = relative_weights(windows.targets, usual, dataset.scaler)
        arrays = (windows.inputs, np.nan_to_num(windows.targets), weights)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def take(self, rows: torch.Tensor) -> "_Part":
        return _Part(self.inputs[rows], self.targets[rows], self.weights[rows])

    def loss(self, model: PerformancesGRU) -> torch.Tensor:
        """Mean relative error over what was measured."""
        errors: torch.Tensor = (model(self.inputs) - self.targets).abs() * self.weights
        return errors.sum() / (self.weights > 0).sum().clamp_min(1)


def fit_service(dataset: ServiceDataset, settings: TrainingSettings, on_epoch: OnEpoch) -> Fit:
    """Fit a service's weights on `dataset.fit`, and keep those with the least loss on `dataset.validation`.

    The same dataset and settings give the same weights bit for bit on one machine's CPU. `dataset.test` is
    never looked at.

    Raises:
        ConfigError: the device cannot be used.
    """
    device = select_device(settings.device)
    fit = _Part.of(dataset.fit, dataset, device)
    validation = _Part.of(dataset.validation, dataset, device)
    seed = seed_of(settings.seed, dataset.service)
    model = _new_model(seed).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    plateau = ReduceLROnPlateau(
        optimizer, factor=settings.learning_rate_factor, patience=settings.learning_rate_patience_epochs
    )
    batch_size = batch_size_for(len(dataset.fit), settings)
    shuffle = torch.Generator().manual_seed(seed)
    best_loss, best_epoch, best_weights = float("inf"), 0, copy.deepcopy(model.state_dict())
    epoch = 0
    with _one_thread():
        while epoch < settings.max_epochs and epoch - best_epoch < settings.stop_patience_epochs:
            epoch += 1
            order = torch.randperm(len(dataset.fit), generator=shuffle)
            _run_epoch(model, optimizer, fit, torch.split(order, batch_size))
            with torch.no_grad():
                loss = validation.loss(model).item()
            plateau.step(loss)
            if loss < best_loss:
                best_loss, best_epoch, best_weights = loss, epoch, copy.deepcopy(model.state_dict())
            on_epoch(epoch)
    model.load_state_dict(best_weights)
    learned = (fit.weights > 0).any(dim=0).tolist()
    unlearned = tuple(target for target, was_learned in zip(TARGETS, learned, strict=True) if not was_learned)
    return Fit(model.cpu().eval(), unlearned, epoch, best_epoch, best_loss)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one core: the network is so small that more are no faster and only keep each other busy."""
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(previous)


def _new_model(seed: int) -> PerformancesGRU:
    """Draw initial weights from `seed`; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PerformancesGRU()


def _run_epoch(
    model: PerformancesGRU, optimizer: torch.optim.Optimizer, fit: _Part, batches: tuple[torch.Tensor, ...]
) -> None:
    for rows in batches:
        optimizer.zero_grad()
        torch.autograd.backward(fit.take(rows).loss(model))
        optimizer.step()
