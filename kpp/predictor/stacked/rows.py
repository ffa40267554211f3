"""The rows of many services on one device, and the batches that are taken from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kpp.predictor.preparation.windows import ServiceDataset, Windows
from kpp.predictor.stacked.relative_loss import relative_weights, usual_sizes


@dataclass(frozen=True)
class Rows:
    """Windows of one service as tensors that share the memory of its dataset."""

    history: Tensor  # (minutes, features)
    starts: Tensor  # (n,), where each window begins in `history`
    targets: Tensor  # (n, targets), 0 where not measured
    weights: Tensor  # (n, targets), 0 where not measured

    @classmethod
    def of(cls, windows: Windows, dataset: ServiceDataset) -> "Rows":
        """The rows of one part, weighted by the loss."""
        usual = usual_sizes(dataset.fit, windows.user_counts)
        weights = relative_weights(windows.targets, usual, dataset.scaling)
        arrays = (windows.history, windows.starts, np.nan_to_num(windows.targets), weights)
        return cls(*map(torch.from_numpy, arrays))

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class Batch:
    """Rows of several services, as many of each; those that only fill up have no weight."""

    inputs: Tensor  # (lookback_steps, services, features, rows)
    targets: Tensor  # (services, targets, rows)
    weights: Tensor  # (services, targets, rows)
    counts: Tensor  # (services, 1, 1), measured targets


class StackedRows:
    """The rows of several services one after the other, and a last row without weight."""

    def __init__(self, members: Sequence[Rows], lookback_steps: int, device: torch.device) -> None:
        self.counts = [len(rows) for rows in members]
        self._ends = np.cumsum(self.counts)
        minutes = np.cumsum([0, *(len(rows.history) for rows in members)])
        zeros = torch.zeros(1, dtype=torch.int64)
        starts = [rows.starts + int(at) for rows, at in zip(members, minutes[:-1], strict=True)]
        history = torch.cat([rows.history for rows in members]).to(device)
        # a view: (minutes, features, lookback_steps)
        self._windows = history.unfold(0, lookback_steps, 1)
        self._starts = torch.cat([*starts, zeros]).to(device)
        nothing = torch.zeros(1, members[0].targets.shape[1])
        self._targets = torch.cat([*(rows.targets for rows in members), nothing]).to(device)
        self._weights = torch.cat([*(rows.weights for rows in members), nothing]).to(device)

    def batches(
        self, sizes: Sequence[int], shuffles: Sequence[torch.Generator] | None = None
    ) -> Iterator[Batch]:
        """All rows of each service in batches of its own size, shuffled or in order.

        The n-th batch has the n-th rows of the first services, up to the last one that has so many batches.
        """
        places = self._lay_out(sizes, shuffles)
        filled = places != self._ends[-1]
        services = len(sizes) - np.argmax(
            filled[:, ::-1, 0], axis=1
        )  # the last with a row, and all before it
        widths = filled.sum(axis=2).max(axis=1)
        on_device = torch.from_numpy(places).to(self._starts.device)
        for number, (count, width) in enumerate(zip(services.tolist(), widths.tolist(), strict=True)):
            yield self._take(on_device[number, :count, :width])

    def _lay_out(self, sizes: Sequence[int], shuffles: Sequence[torch.Generator] | None) -> NDArray[np.int64]:
        """The row at each place: (batches, services, rows); the last row of all fills up."""
        steps = max(-(-count // size) for count, size in zip(self.counts, sizes, strict=True))
        places = np.full((steps, len(sizes), max(sizes)), self._ends[-1])
        for number, (count, size, end) in enumerate(zip(self.counts, sizes, self._ends, strict=True)):
            order = (
                torch.randperm(count, generator=shuffles[number]).numpy() if shuffles else np.arange(count)
            )
            whole, rest = divmod(count, size)
            begin = end - count
            places[:whole, number, :size] = begin + order[: whole * size].reshape(whole, size)
            places[whole : whole + 1, number, :rest] = begin + order[whole * size :]
        return places

    def _take(self, places: Tensor) -> Batch:
        windows = self._windows[self._starts[places]]  # (services, rows, features, lookback_steps)
        weights = self._weights[places].transpose(1, 2)
        return Batch(
            inputs=windows.permute(3, 0, 2, 1).contiguous(),
            targets=self._targets[places].transpose(1, 2),
            weights=weights,
            counts=(weights > 0).sum(dim=(1, 2), keepdim=True),
        )
