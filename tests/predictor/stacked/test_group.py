"""Services trained together: as good as alone, each with its own fate."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch.optim.swa_utils import AveragedModel

from kpp.predictor.model import PerformancesGRU
from kpp.predictor.preparation.windows import ServiceDataset, Windows
from kpp.predictor.settings import TrainingSettings, batch_size_for, seed_of
from kpp.predictor.stacked.first_weights import draw_weights
from kpp.predictor.stacked.group import Fit
from kpp.predictor.stacked.network import unflatten
from kpp.predictor.stacked.rows import Rows
from kpp.predictor.training import CPU_GROUP, fit_service, fit_services
from tests.predictor.datasets import autoregressive, make_dataset

SETTINGS = TrainingSettings(max_epochs=12, learning_rate_patience_epochs=1, stop_patience_epochs=4)


def make_service(number: int, count: int = 120) -> ServiceDataset:
    series = autoregressive(count, phi=0.5, mean=100, deviation=5, seed=number)
    return make_dataset(series, service=f"service-{number}")


def fit_together(datasets: list[ServiceDataset], settings: TrainingSettings = SETTINGS) -> dict[str, Fit]:
    return {fit.service: fit for fit in fit_services(datasets, settings, lambda _service, _epoch: None)}


def fit_with_torch(dataset: ServiceDataset, settings: TrainingSettings) -> tuple[PerformancesGRU, int, float]:
    """One service, with autograd, `Adam`, `AveragedModel` and `ReduceLROnPlateau` of PyTorch."""
    fit, validation = (Rows.of(part, dataset) for part in (dataset.fit, dataset.validation))
    model = unflatten(draw_weights(dataset, settings))
    decay = settings.average_decay
    averaged = AveragedModel(model, avg_fn=lambda mean, now, _: decay * mean + (1 - decay) * now)
    averaged.update_parameters(model)  # the average begins at the first weights
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=settings.learning_rate_factor, patience=settings.learning_rate_patience_epochs
    )
    shuffle = torch.Generator().manual_seed(seed_of(settings.seed, dataset.service))

    def loss_of(network: torch.nn.Module, part: Windows, rows: Rows, places: torch.Tensor) -> torch.Tensor:
        errors = network(torch.from_numpy(part.inputs)[places]) - rows.targets[places]
        loss: torch.Tensor = (errors.abs() * rows.weights[places]).sum() / (rows.weights[places] > 0).sum()
        return loss

    best_epoch, best_loss, best = 0, float("inf"), model.state_dict()
    for epoch in range(1, settings.max_epochs + 1):
        order = torch.randperm(len(fit), generator=shuffle)
        for places in torch.split(order, batch_size_for(len(fit), settings)):
            optimizer.zero_grad()
            torch.autograd.backward(loss_of(model, dataset.fit, fit, places))
            optimizer.step()
            averaged.update_parameters(model)
        with torch.no_grad():
            every = torch.arange(len(validation))
            loss = loss_of(averaged, dataset.validation, validation, every).item()
        plateau.step(loss)
        if loss < best_loss:
            best_epoch, best_loss = epoch, loss
            best = {name: values.clone() for name, values in averaged.module.state_dict().items()}
        if epoch - best_epoch >= settings.stop_patience_epochs:
            break
    model.load_state_dict(best)
    return model, best_epoch, best_loss


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For autograd: two threads would wait for each other at such small products."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_each_service_gets_what_plain_torch_gives_it_alone() -> None:
    """Of different sizes, and more than fit a group at once: they leave and join at different times."""
    datasets = [make_service(number, 60 + 17 * number) for number in range(CPU_GROUP + 3)]

    together = fit_together(datasets)

    assert len(together) == len(datasets)
    assert len({fit.epochs for fit in together.values()}) > 2  # they end at different times
    same_epoch = 0
    for dataset in datasets:
        model, best_epoch, best_loss = fit_with_torch(dataset, SETTINGS)
        fit = together[dataset.service]
        assert fit.best_validation_loss == pytest.approx(best_loss, rel=1e-3)
        if fit.best_epoch == best_epoch:  # rounding may decide between two epochs that are level
            same_epoch += 1
            inputs = torch.from_numpy(dataset.test.inputs)
            torch.testing.assert_close(fit.network(inputs), model(inputs), rtol=0, atol=2e-3)
    assert same_epoch >= len(datasets) - 2


def test_a_network_of_a_group_loads_as_a_single_one_with_the_same_outputs() -> None:
    datasets = [make_service(number) for number in range(3)]
    for dataset, fit in zip(datasets, fit_together(datasets).values(), strict=False):
        single = PerformancesGRU()
        single.load_state_dict(fit.network.state_dict())
        inputs = torch.from_numpy(dataset.test.inputs)
        torch.testing.assert_close(single(inputs), fit.network(inputs), rtol=0, atol=1e-5)


def test_training_among_many_gives_the_quality_of_training_alone() -> None:
    """Other seeds, so other weights: the losses alone and together are of one distribution.

    Thirty pairs; a systematic difference of half a standard deviation would be found nine times in ten.
    """
    datasets = [make_service(number, 90) for number in range(30)]

    together = fit_together(datasets)
    alone = [fit_service(dataset, dataclasses.replace(SETTINGS, seed=1)) for dataset in datasets]

    losses = np.array(
        [[together[fit.service].best_validation_loss, fit.best_validation_loss] for fit in alone]
    )
    assert stats.ttest_rel(*np.log(losses).T).pvalue > 0.01
    assert abs(np.log(losses[:, 0] / losses[:, 1]).mean()) < 0.05


def test_company_changes_a_service_by_rounding_only() -> None:
    datasets = [make_service(number, 80 + 11 * number) for number in range(5)]
    settings = dataclasses.replace(SETTINGS, max_epochs=3)

    together = fit_together(datasets, settings)

    for dataset in datasets:
        alone = fit_service(dataset, settings).network.state_dict()
        for name, values in together[dataset.service].network.state_dict().items():
            torch.testing.assert_close(values, alone[name], rtol=1e-3, atol=1e-4)


def test_the_same_company_gives_the_same_bits() -> None:
    datasets = [make_service(number, 60 + 17 * number) for number in range(5)]

    first, second = fit_together(datasets), fit_together(datasets)

    for service, fit in first.items():
        for name, values in fit.network.state_dict().items():
            assert torch.equal(values, second[service].network.state_dict()[name])


def test_a_failure_in_a_thread_is_raised_where_the_results_are_awaited() -> None:
    broken = make_service(1)
    broken = dataclasses.replace(
        broken, fit=dataclasses.replace(broken.fit, starts=broken.fit.starts + 10_000)
    )

    with pytest.raises(IndexError):
        fit_together([make_service(0), broken, make_service(2)])
