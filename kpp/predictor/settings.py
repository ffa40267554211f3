"""How weights are fitted: the settings of a training, and the device it runs on."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kpp.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class TrainingSettings:
    """How a service's weights are fitted; docs/training.md has the measurements behind the defaults."""

    seed: int = 0
    device: str = "cpu"
    max_epochs: int = 100
    largest_batch: int = 64
    smallest_batch: int = 4
    least_batches: int = 8  # per epoch: with few rows the batches shrink, else the weights hardly move
    learning_rate: float = 5e-3
    learning_rate_factor: float = 0.5
    learning_rate_patience_epochs: int = 2
    average_decay: float = 0.9  # per step: the weights that are judged and kept average some ten steps
    stop_patience_epochs: int = 7


def select_device(name: str) -> "torch.device":
    """Turn `auto`, `cpu` or `cuda` into a device; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: the name is none of these, or no GPU can be used.
    """
    import torch  # late: the settings are compared without it

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
    [4, 16, 64]
    """
    return min(max(rows // settings.least_batches, settings.smallest_batch), settings.largest_batch)
