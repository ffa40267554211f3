"""The training loop that a tutorial would write, on the windows of kpp's pipeline: a yardstick.

    python benchmarks/plain_loop.py FILE.csv

The same network on the same rows, with a `DataLoader`, batches of 32, 100 epochs, squared error, Adam, the
last weights. Prints the mean MAPE per target over services, on the same test rows as `kpp train`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.scores import compare
from kpp.predictor.trained_model import TrainedModel
from kpp.schema import TARGETS, read_measurements


def fit(dataset: ServiceDataset) -> PerformancesGRU:
    """Fit on all training rows; rows with a missing target are left out."""
    parts = (dataset.fit, dataset.validation)
    inputs = torch.from_numpy(np.concatenate([part.inputs for part in parts]))
    targets = torch.from_numpy(np.concatenate([part.targets for part in parts]))
    complete = ~targets.isnan().any(dim=1)
    loader: DataLoader[tuple[torch.Tensor, ...]] = DataLoader(
        TensorDataset(inputs[complete], targets[complete]), batch_size=32, shuffle=True
    )
    torch.manual_seed(0)
    model = PerformancesGRU()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(100):
        for batch, wanted in loader:
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.mse_loss(model(batch), wanted))
            optimizer.step()
    return model


def main() -> None:
    """Train every service, print the mean scores."""
    pipeline = PerformancesDataPipeline()
    datasets = pipeline.run(read_measurements([Path(sys.argv[1])])).datasets
    mapes: dict[str, list[float]] = {target: [] for target in TARGETS}
    for service, dataset in datasets.items():
        model = TrainedModel(service, fit(dataset), dataset.scaling, pipeline.settings.lookback_steps)
        comparisons, _ = compare(dataset, model.predict_scaled(dataset.test.inputs))
        for target, comparison in comparisons.items():
            if comparison.model.mape is not None:
                mapes[target].append(comparison.model.mape)
    for target, values in mapes.items():
        print(f"{target}: MAPE {100 * np.mean(values):.2f} %, mean of {len(values)} services")


if __name__ == "__main__":
    main()
