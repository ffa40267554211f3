"""One training of all services of a table, timed inside: kpp's, the plain loop's, or the bare products.

    python benchmarks/time_to_loss.py {kpp,plain,products} FILE.csv [--epochs 100]

- kpp: as `kpp train` does it, without plots; until the early stops.
- plain: `nn.GRU`, `DataLoader`, autograd, Adam, batches of 32, rate 0.001, one service after another,
  all epochs. The loss is kpp's, and the best validation loss counts, so that both are judged alike.
- products: the matrix products alone that --epochs epochs of all services take, in kpp's shapes and threads:
  what cannot be saved without other mathematics. Name the epochs that kpp took.

Prints JSON: seconds and CPU seconds of the training, the mean of the best validation losses, and the epochs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.rows import Rows
from kpp.predictor.training import CPU_GROUP, fit_services
from kpp.schema import read_measurements

BATCH = 64
PLAIN_BATCH, PLAIN_LEARNING_RATE = 32, 1e-3

Result = dict[str, float]


def train_with_kpp(datasets: list[ServiceDataset], _epochs: int) -> Result:
    """All services, as `kpp train` does it."""
    fits = [*fit_services(datasets, TrainingSettings(), lambda _service, _epoch: None)]
    loss = float(np.mean([fit.best_validation_loss for fit in fits]))
    return {"loss": loss, "epochs": sum(fit.epochs for fit in fits)}


def train_plainly(datasets: list[ServiceDataset], epochs: int) -> Result:
    """One service after the other, as a tutorial would."""
    losses = [_train_one_plainly(dataset, epochs) for dataset in datasets]
    return {"loss": float(np.mean(losses)), "epochs": epochs * len(datasets)}


def _train_one_plainly(dataset: ServiceDataset, epochs: int) -> float:
    fit, validation = (Rows.of(part, dataset) for part in (dataset.fit, dataset.validation))
    inputs, seen = (torch.from_numpy(part.inputs) for part in (dataset.fit, dataset.validation))
    rows = TensorDataset(inputs, fit.targets, fit.weights)
    loader: DataLoader[tuple[torch.Tensor, ...]] = DataLoader(rows, batch_size=PLAIN_BATCH, shuffle=True)
    torch.manual_seed(0)
    model = PerformancesGRU()
    optimizer = torch.optim.Adam(model.parameters(), lr=PLAIN_LEARNING_RATE)
    best = float("inf")
    for _ in range(epochs):
        for batch, targets, weights in loader:
            optimizer.zero_grad()
            torch.autograd.backward(_loss(model(batch), targets, weights))
            optimizer.step()
        with torch.no_grad():
            best = min(best, _loss(model(seen), validation.targets, validation.weights).item())
    return best


def _loss(predicted: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return ((predicted - targets).abs() * weights).sum() / (weights > 0).sum().clamp_min(1)


def multiply_alone(datasets: list[ServiceDataset], epochs: int) -> Result:
    """The products of so many epochs, all services together, in groups and threads as kpp has them."""
    threads = torch.get_num_threads()
    services = min(CPU_GROUP, -(-len(datasets) // threads))
    fit_rows = float(np.mean([len(dataset.fit) for dataset in datasets]))
    validation_rows = float(np.mean([len(dataset.validation) for dataset in datasets]))
    passes = epochs / services / threads  # of one thread, over the rows of its group
    forward_only = round(passes * validation_rows / BATCH)
    both = round(passes * fit_rows / BATCH)
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        works = [pool.submit(_multiply, services, both, forward_only) for _ in range(threads)]
        for work in works:
            work.result()
    return {"loss": float("nan"), "epochs": epochs}


def _multiply(services: int, both: int, forward_only: int) -> None:
    """The products of one group, so many batches."""
    size, features, steps, layers = 64, 4, 5, 2
    products: list[Callable[[], object]] = []
    backward: list[Callable[[], object]] = []
    for layer in range(layers):
        read = size if layer else features
        weights = torch.randn(services, 3 * size, read), torch.randn(services, 3 * size, size)
        states = torch.randn(services, read, BATCH), torch.randn(services, size, BATCH)
        gates = torch.randn(services, 3 * size, BATCH)
        for number, (weight, state) in enumerate(zip(weights, states, strict=True)):
            times = steps - number  # the first state is 0
            products += repeat(_product(weight, state), times)
            backward += repeat(_product(gates, state.transpose(1, 2)), times)
            if layer or number:  # no one asks for the gradient of the measurements
                backward += repeat(_product(weight.transpose(1, 2), gates), times)
    for number in range(both + forward_only):
        for product in [*products, *backward] if number < both else products:
            product()


def _product(left: torch.Tensor, right: torch.Tensor) -> Callable[[], object]:
    result = torch.empty(left.shape[0], left.shape[1], right.shape[2])
    return lambda: torch.bmm(left, right, out=result)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


WAYS = {"kpp": train_with_kpp, "plain": train_plainly, "products": multiply_alone}


def main() -> None:
    """Train in the way that is asked for and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--epochs", type=int, default=100, help="plain: of each service; products: of all")
    arguments = parser.parse_args()

    datasets = [*PerformancesDataPipeline().run(read_measurements([arguments.file])).datasets.values()]
    began, cpu = time.perf_counter(), time.process_time()
    result = WAYS[arguments.way](datasets, arguments.epochs)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    json.dump({"seconds": seconds, "cpu_seconds": cpu_seconds, **result}, sys.stdout)


if __name__ == "__main__":
    main()
