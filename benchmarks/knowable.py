"""How well any model of the load could do: references for docs/results.md that have seen what models may not.

- The best smooth curve is fitted on the held-out rows as well. What it leaves is what hours differ by; the
  noise floor follows every hour, since each load was measured at an hour of its own.
- The simulator itself is told all true parameters of a simulated campaign, but not how the CPU time of
  requests drifted in its hours.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simulated_campaigns import MINUTES, Step, run, without_drift

from kpp.evaluation.leaderboard import ModelResult, score_trials
from kpp.evaluation.trial import Trial
from kpp.predictor.scores import mape
from kpp.schema import CPU_LIMIT, REPLICAS, SERVICE, TARGETS, TIMESTAMP, USER_COUNT
from kpp.simulator.application_file import read_application
from kpp.simulator.cluster import SimulationSettings
from kpp.whatif.calibrated import lower_of, upper_of
from kpp.whatif.model import Campaign

Floats = NDArray[np.float64]

DEGREES = (1, 2, 3, 5)  # of polynomials in the user count
ROUNDS = 50
NEARLY_EXACT = 1e-4  # a relative error that counts as none
SEED = 1000  # of no shipped campaign
APART = 500_000  # the seeds of normal load and of an overload
DAY_SECONDS = 86_400.0


def best_smooth(trials: Sequence[Trial], campaign: Campaign) -> ModelResult:
    """Of each service and target the polynomial that does best on the held-out rows, these learned too."""
    return _score(trials, [_smooth(trial, campaign) for trial in trials])


def measure_without_drift(like: Campaign, application: str, seed: int, minutes: int = MINUTES) -> Campaign:
    """Measure the simulated application at the loads and layouts of a campaign, with demands that are steady.

    Args:
        like: whose loads, replicas and limits are taken.
        application: its name.
        seed: of the simulation.
        minutes: measured at each load.
    """
    cores = SimulationSettings().nodes[0].cpu_cores
    rows, calls = run(without_drift(read_application(application)), _steps(like), seed, cores, minutes)
    return Campaign(rows, calls)


def both_without_drift(
    normal: Campaign, overload: Campaign, application: str, seeds: tuple[int, int] = (SEED + APART, SEED)
) -> tuple[Campaign, Campaign]:
    """Normal load, for as long at each load as it was measured, and on the next day the overload."""
    minutes = int(normal.measurements.groupby([SERVICE, USER_COUNT]).size().median())
    usual = measure_without_drift(normal, application, seeds[0], minutes)
    return usual, a_day_later(measure_without_drift(overload, application, seeds[1]))


def a_day_later(campaign: Campaign) -> Campaign:
    """The same, measured on the next day."""
    rows = campaign.measurements
    return replace(campaign, measurements=rows.assign(**{TIMESTAMP: rows[TIMESTAMP] + DAY_SECONDS}))


def simulate_without_drift(campaign: Campaign, application: str) -> pd.DataFrame:
    """The means of the simulated application, a row for each service and load of a campaign."""
    return means_of(measure_without_drift(campaign, application, SEED))


def means_of(campaign: Campaign) -> pd.DataFrame:
    """A row for each service and load."""
    return campaign.measurements.groupby([SERVICE, USER_COUNT])[list(TARGETS)].mean().reset_index()


def score_means(trials: Sequence[Trial], means: pd.DataFrame) -> ModelResult:
    """Scores of a value for each service and load."""
    asked = [trial.observed[[SERVICE, USER_COUNT]] for trial in trials]
    return _score(trials, [each.merge(means, on=[SERVICE, USER_COUNT], how="left") for each in asked])


def _steps(campaign: Campaign) -> list[Step]:
    steps = []
    for users, rows in campaign.measurements.groupby(USER_COUNT):
        layout = rows.groupby(SERVICE)[[REPLICAS, CPU_LIMIT]].median()
        replicas = {str(name): int(count) for name, count in layout[REPLICAS].items()}
        limits = {str(name): float(limit) for name, limit in layout[CPU_LIMIT].items()}
        steps.append(Step(int(float(str(users))), replicas, limits))
    return steps


def _score(trials: Sequence[Trial], points: Sequence[pd.DataFrame]) -> ModelResult:
    """Scores of points without intervals."""
    unbounded = {bound(target): np.nan for target in TARGETS for bound in (lower_of, upper_of)}
    known = [
        replace(trial, predicted={"reference": frame.assign(**unbounded)})
        for trial, frame in zip(trials, points, strict=True)
    ]
    return score_trials(known).models["reference"]


def _smooth(trial: Trial, campaign: Campaign) -> pd.DataFrame:
    everything, asked = campaign.measurements, trial.observed
    middle, span = everything[USER_COUNT].mean(), max(float(np.ptp(everything[USER_COUNT])), 1.0)
    found = pd.DataFrame(np.nan, index=asked.index, columns=list(TARGETS))
    for service, rows in asked.groupby(SERVICE):
        learned = everything[everything[SERVICE] == service]
        where = [(each[USER_COUNT].to_numpy() - middle) / span for each in (learned, rows)]
        for target in TARGETS:
            values, observed = (each[target].to_numpy(dtype=np.float64) for each in (learned, rows))
            curves = [_curve(where[0], values, degree) for degree in DEGREES]
            points = [np.polyval(curve, where[1]).astype(np.float64) for curve in curves]
            errors = [mape(observed=observed, predicted=each) or np.inf for each in points]
            found.loc[rows.index, target] = points[int(np.argmin(errors))]
    return found


def _curve(places: Floats, values: Floats, degree: int) -> Floats:
    """The polynomial with the least mean relative error, by reweighting of least squares."""
    known = np.isfinite(values) & (values > 0)
    places, values = places[known], values[known]
    weights = np.ones(len(values))
    curve = np.zeros(degree + 1)
    for _ in range(ROUNDS):
        curve = np.polyfit(places, values, degree, w=np.sqrt(weights) / values)
        errors = np.abs(np.polyval(curve, places) / values - 1)
        weights = 1 / np.maximum(errors, NEARLY_EXACT)
    return curve
