"""The Universal Scalability Law, per service.

N. J. Gunther, Guerrilla Capacity Planning, Springer 2007, chapter 6: N users complete

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

requests per second, where sigma is contention and kappa coherency, so N / X is a polynomial of N with
coefficients that are not negative: linear least squares without starting values (`scipy.optimize.nnls`).
The law speaks of throughput. Response time is given the same polynomial of the users per replica, and CPU the
utilization law, background x replicas + demand x throughput.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import nnls

from kpp.schema import REPLICAS, RESPONSE_TIME, TARGETS, THROUGHPUT, USER_COUNT
from kpp.whatif.model import State
from kpp.whatif.models.per_service import Floats, PerServiceModel, ServiceLevels
from kpp.whatif.plain_data import from_plain, to_plain


@dataclass(frozen=True)
class ScalabilityLaw:
    """One service's law.

    Attributes:
        seconds_per_request: (3,): N / X = a + b (N - 1) + c N (N - 1); lambda = 1/a, sigma = b/a, kappa =
            c/a.
        response_time: (3,): the same polynomial of users per replica, in seconds.
        cpu: (2,): background cores per replica, and core-seconds per request.

    NaN where the target was not measured.
    """

    features: tuple[str, ...]
    seconds_per_request: Floats
    response_time: Floats
    cpu: Floats

    def predict(self, inputs: Floats) -> Floats:
        """(rows, features) to (rows, 3)."""
        users, replicas = _split(self.features, inputs)
        seconds = _polynomial(users) @ self.seconds_per_request
        throughput = users / np.where(seconds > 0, seconds, np.inf)  # 0 if nothing ever came
        throughput = np.where(np.isnan(seconds), np.nan, throughput)
        predicted = {
            RESPONSE_TIME: _polynomial(users / replicas) @ self.response_time,
            THROUGHPUT: throughput,
        }
        cpu = np.column_stack([replicas, throughput]) @ self.cpu
        return np.column_stack([predicted.get(target, cpu) for target in TARGETS])

    def dump(self) -> State:
        """As plain data."""
        names = ("seconds_per_request", "response_time", "cpu")
        return {name: to_plain(getattr(self, name)) for name in names}

    @classmethod
    def restore(cls, state: State) -> "ScalabilityLaw":
        """From what `dump` gave, and the features."""
        names = ("seconds_per_request", "response_time", "cpu")
        return cls(tuple(state["features"]), *(from_plain(state[name]) for name in names))


def _fit(levels: ServiceLevels) -> ScalabilityLaw:
    users, replicas = _split(levels.features, levels.inputs)
    measured = dict(zip(TARGETS, levels.targets.T, strict=True))
    throughput, response_time = measured.pop(THROUGHPUT), measured.pop(RESPONSE_TIME)
    (cpu,) = measured.values()
    with np.errstate(divide="ignore"):
        seconds = np.where(throughput > 0, users / throughput, np.nan)
    never_any = bool((throughput == 0).any() and np.isnan(seconds).all())  # measured, and nothing ever came
    return ScalabilityLaw(
        levels.features,
        np.zeros(3) if never_any else _non_negative(_polynomial(users), seconds),
        _non_negative(_polynomial(users / replicas), response_time),
        _non_negative(np.column_stack([replicas, throughput]), cpu),
    )


def _split(features: tuple[str, ...], inputs: Floats) -> tuple[Floats, Floats]:
    """Users, and replicas: 1 where they were constant or not known, which leaves them in the coefficients."""
    by_name = dict(zip(features, inputs.T, strict=True))
    return by_name[USER_COUNT], by_name.get(REPLICAS, np.ones(len(inputs)))


def _polynomial(users: Floats) -> Floats:
    """(rows, 3): 1, N - 1, N (N - 1); never negative, so that replicas beyond users change nothing."""
    more = np.maximum(users - 1, 0.0)
    return np.column_stack([np.ones_like(users), more, users * more])


def _non_negative(terms: Floats, values: Floats) -> Floats:
    """Coefficients >= 0 with the least squares of relative errors; NaN where nothing was measured."""
    known = ~np.isnan(values) & ~np.isnan(terms).any(axis=1)
    if not known.any():
        return np.full(terms.shape[1], np.nan)
    terms, values = terms[known], values[known]
    sizes = np.maximum(values, 0.01 * np.median(values))
    weights = 1 / sizes if sizes.min() > 0 else np.ones_like(sizes)
    scale = np.maximum(np.abs(terms * weights[:, None]).max(axis=0), np.finfo(float).tiny)
    coefficients, _ = nnls(terms * weights[:, None] / scale, values * weights)
    found: Floats = coefficients / scale
    return found


make_usl = partial(PerServiceModel, "usl", _fit, ScalabilityLaw.restore)
