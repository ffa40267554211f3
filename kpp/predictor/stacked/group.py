"""Some services in training together: who finishes leaves, who waits takes the place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings, batch_size_for, seed_of
from kpp.predictor.stacked import adam
from kpp.predictor.stacked.adam import AdamState
from kpp.predictor.stacked.network import StackedNetwork, unflatten
from kpp.predictor.stacked.pace import Pace
from kpp.predictor.stacked.rows import Batch, Rows, StackedRows
from kpp.schema import TARGETS

OnEpoch = Callable[[str, int], None]  # called with a service and the number of its epochs done


@dataclass(frozen=True)
class Fit:
    """The best weights of one service, and how they came about."""

    service: str
    network: PerformancesGRU  # on the CPU
    unlearned_targets: tuple[str, ...]  # never measured in the rows that were fitted
    epochs: int
    best_epoch: int
    best_validation_loss: float


@dataclass
class Member:
    """A service in training, with its own rows, chance and pace; its weights are a row of the group's."""

    service: str
    fit: Rows
    validation: Rows
    batch_size: int
    shuffle: torch.Generator
    pace: Pace
    steps: int = 0  # of the optimizer

    @classmethod
    def of(cls, dataset: ServiceDataset, settings: TrainingSettings) -> "Member":
        """A service before its first epoch."""
        return cls(
            service=dataset.service,
            fit=Rows.of(dataset.fit, dataset),
            validation=Rows.of(dataset.validation, dataset),
            batch_size=batch_size_for(len(dataset.fit), settings),
            shuffle=torch.Generator().manual_seed(seed_of(settings.seed, dataset.service)),
            pace=Pace(settings),
        )


def sort_key(dataset: ServiceDataset, settings: TrainingSettings) -> tuple[int, int]:
    """Services in this order have neighbors that fill batches alike; the most batches come first."""
    rows = len(dataset.fit)
    return -(-rows // batch_size_for(rows, settings)), rows


@dataclass
class TrainingGroup:
    """Services trained as one batched computation: each tensor has a row for each service."""

    settings: TrainingSettings
    lookback_steps: int
    device: torch.device
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._network = StackedNetwork()
        self._weights = torch.empty(0, self._network.weight_count, device=self.device)
        self._averages = self._best = self._weights
        self._adam = AdamState.of(self._weights)

    def admit(self, datasets: Sequence[ServiceDataset], first_weights: Sequence[Tensor]) -> None:
        """Let services join, each with its first weights; see `first_weights.py`."""
        joining = [Member.of(dataset, self.settings) for dataset in datasets]
        new = torch.stack([*first_weights]).to(self.device)
        zeros = torch.zeros_like(new)
        self._weights, self._averages, self._best = (
            torch.cat([old, new]) for old in (self._weights, self._averages, self._best)
        )
        self._adam = AdamState(
            *(torch.cat([old, zeros]) for old in (self._adam.first, self._adam.second, self._adam.scratch))
        )
        self.members += joining
        batches = [-(-len(member.fit) // member.batch_size) for member in self.members]
        self._restack(sorted(range(len(self.members)), key=lambda place: -batches[place]))

    def run_epoch(self, stop: Callable[[], bool]) -> None:
        """Fit once on all rows of each service, and judge on its validation rows; ends early on `stop`."""
        sizes = [member.batch_size for member in self.members]
        for batch in self._fit_rows.batches(sizes, [member.shuffle for member in self.members]):
            if stop():
                return
            self._step(batch)
        losses = zip(self.members, self._validation_losses(), strict=True)
        improved = [place for place, (member, loss) in enumerate(losses) if member.pace.take(loss)]
        self._best[improved] = self._averages[improved]

    def release(self) -> Iterator[Fit]:
        """Let the services leave whose training has ended."""
        for member, weights in zip(self.members, self._best, strict=True):
            if member.pace.ended:
                yield _conclude(member, weights)
        staying = [place for place, member in enumerate(self.members) if not member.pace.ended]
        if len(staying) < len(self.members):
            self._restack(staying)

    def _step(self, batch: Batch) -> None:
        moving = self.members[: batch.inputs.shape[1]]
        weights, gradients = self._weights[: len(moving)], self._gradients[: len(moving)]
        errors = self._network.predict(weights, batch.inputs).sub_(batch.targets)
        # the gradient of mean(weight |error|) over what was measured
        slopes = errors.sign_().mul_(batch.weights).div_(batch.counts.clamp_min(1))
        self._network.fill_gradients(weights, batch.inputs, slopes, gradients)
        for member in moving:
            member.steps += 1
        rates = [member.pace.learning_rate for member in moving]
        steps = np.array([member.steps for member in moving])
        adam.step(self._weights, self._gradients, self._adam, rates, steps)
        self._averages[: len(moving)].lerp_(weights, 1 - self.settings.average_decay)

    def _validation_losses(self) -> list[float]:
        """Mean relative error of each service's averaged weights over what was measured."""
        errors = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        counts = torch.zeros_like(errors)
        for batch in self._validation_rows.batches([self.settings.largest_batch] * len(self.members)):
            here = slice(batch.inputs.shape[1])
            off = self._network.predict(self._averages[here], batch.inputs).sub_(batch.targets).abs_()
            errors[here] += off.mul_(batch.weights).sum(dim=(1, 2))
            counts[here] += batch.counts.flatten()
        losses: list[float] = (errors / counts.clamp_min(1)).tolist()
        return losses

    def _restack(self, places: Sequence[int]) -> None:
        """Keep the members at these places, in this order."""
        self.members = [self.members[place] for place in places]
        rows = torch.tensor(places, dtype=torch.int64, device=self.device)
        self._weights, self._averages, self._best = (
            old[rows] for old in (self._weights, self._averages, self._best)
        )
        self._adam = AdamState(self._adam.first[rows], self._adam.second[rows], self._adam.scratch[rows])
        self._gradients = torch.empty_like(self._weights)
        if self.members:
            fit, validation = (
                [getattr(member, part) for member in self.members] for part in ("fit", "validation")
            )
            self._fit_rows = StackedRows(fit, self.lookback_steps, self.device)
            self._validation_rows = StackedRows(validation, self.lookback_steps, self.device)


def _conclude(member: Member, weights: Tensor) -> Fit:
    learned = (member.fit.weights > 0).any(dim=0).tolist()
    return Fit(
        service=member.service,
        network=unflatten(weights).eval(),
        unlearned_targets=tuple(
            target for target, was_learned in zip(TARGETS, learned, strict=True) if not was_learned
        ),
        epochs=member.pace.epoch,
        best_epoch=member.pace.best_epoch,
        best_validation_loss=member.pace.best_loss,
    )
