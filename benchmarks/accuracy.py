"""Measures how well `kpp train` predicts one step ahead, over several seeds, beside four rivals.

    python benchmarks/accuracy.py FILE.csv [--seeds 5] [--json]

All figures are MAPE in percent on the test rows, the mean over services. The rivals:

- last: the last observed value; mean, median: of the training rows of the same user count.
- hindsight: for each test row the constant that fits the other rows of its user count best, test rows too. No
  model that knows the load alone can be much better: the rest is noise, or what the last minutes tell.

The intervals are those of the mean difference between the GRU (mean over seeds) and a baseline, in percentage
points, from a bootstrap over user counts (95 %): one that holds 0 says that the two are level.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings
from kpp.predictor.trained_model import TrainedModel
from kpp.predictor.training import fit_services
from kpp.schema import TARGETS, read_measurements

Floats = NDArray[np.float64]

BASELINES = ("last", "mean", "median")


def predict(datasets: dict[str, ServiceDataset], seed: int, lookback_steps: int) -> dict[str, Floats]:
    """Train with a seed and predict the test rows of each service."""
    predictions = {}
    for fit in fit_services([*datasets.values()], TrainingSettings(seed=seed), lambda _service, _epoch: None):
        dataset = datasets[fit.service]
        model = TrainedModel(fit.service, fit.network, dataset.scaling, lookback_steps, fit.unlearned_targets)
        predictions[fit.service] = model.predict_scaled(dataset.test.inputs)
    return predictions


def predict_simply(dataset: ServiceDataset) -> dict[str, Floats]:
    """The test rows as the rivals predict them."""
    test = dataset.test
    training = np.concatenate([dataset.fit.observed, dataset.validation.observed])
    counts = np.concatenate([dataset.fit.user_counts, dataset.validation.user_counts])
    medians = pd.DataFrame(training).groupby(counts).median().reindex(test.user_counts).to_numpy()
    hindsight = np.full(test.observed.shape, np.nan)
    for row, user_count in enumerate(test.user_counts):
        others = np.concatenate(
            [
                training[counts == user_count],
                np.delete(test.observed, row, axis=0)[np.delete(test.user_counts, row) == user_count],
            ]
        )
        hindsight[row] = [best_constant(column) for column in others.T]
    return {
        "last": test.last_observed,
        "mean": np.array([dataset.train_means[user_count] for user_count in test.user_counts]),
        "median": medians,
        "hindsight": hindsight,
    }


def best_constant(values: Floats) -> float:
    """The constant with the least MAPE: the median weighted by 1 / y."""
    known = np.sort(values[np.isfinite(values) & (values > 0)])
    if not len(known):
        return np.nan
    shares = np.cumsum(1 / known) / np.sum(1 / known)
    return float(known[np.searchsorted(shares, 0.5)])


def relative_errors(dataset: ServiceDataset, predictions: dict[str, Floats]) -> pd.DataFrame:
    """|p - y| / y in percent, a column for each prediction, a row for each test row and target.

    Rows that `kpp.predictor.scores.mape` leaves out are left out.
    """
    observed = dataset.test.observed
    large = observed > np.maximum(1e-6, 0.01 * np.nanmean(observed, axis=0))
    size = np.where(large, observed, np.nan)
    index = pd.MultiIndex.from_product([dataset.test.user_counts, TARGETS], names=["user count", "target"])
    errors = {
        name: (100 * np.abs(predicted - observed) / size).ravel() for name, predicted in predictions.items()
    }
    return pd.DataFrame(errors, index=index).dropna()


def mean_over_services(errors: pd.DataFrame) -> pd.DataFrame:
    """Mean per service first, then over services: (targets, predictions)."""
    return errors.groupby(["service", "target"]).mean().groupby("target").mean().reindex(TARGETS)


def interval(errors: pd.DataFrame, target: str, ours: str, theirs: str) -> tuple[float, float]:
    """Where the mean difference lies, from a bootstrap over user counts."""
    of_target = errors.xs(target, level="target")
    of_level = (of_target[ours] - of_target[theirs]).groupby(["user count", "service"]).mean()
    differences = of_level.groupby("user count").mean().to_numpy()
    result = stats.bootstrap((differences,), np.mean, random_state=np.random.default_rng(0))
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def main() -> None:
    """Train with every seed and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 (default 5)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()

    pipeline = PerformancesDataPipeline()
    datasets = pipeline.run(read_measurements([arguments.file])).datasets
    lookback_steps = pipeline.settings.lookback_steps
    seeds = {f"seed {seed}": predict(datasets, seed, lookback_steps) for seed in range(arguments.seeds)}
    parts = {}
    for service, dataset in datasets.items():
        predictions = {name: by_service[service] for name, by_service in seeds.items()}
        parts[service] = relative_errors(dataset, {**predictions, **predict_simply(dataset)})
    errors = pd.concat(parts, names=["service"])
    errors.insert(0, "GRU", errors[list(seeds)].mean(axis="columns"))

    means = mean_over_services(errors)
    differences = pd.DataFrame(
        {
            f"GRU - {name}": [interval(errors, target, "GRU", name) for target in TARGETS]
            for name in BASELINES
        },
        index=means.index,
    )
    if arguments.json:
        print(json.dumps(means.join(differences).to_dict(orient="index"), indent=2))
        return
    print(means.drop(columns=list(seeds)).round(2).to_string(), "\n")
    print(means[list(seeds)].round(2).to_string(), "\n")
    print(differences.map(lambda ends: f"{ends[0]:+.2f} to {ends[1]:+.2f}").to_string())


if __name__ == "__main__":
    main()
