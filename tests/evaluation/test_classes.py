import numpy as np
import pandas as pd
import pytest

from kpp.evaluation.classes import UNKNOWN, class_of, classify
from kpp.schema import CPU_REQUEST, CPU_USAGE, REPLICAS


def rows(shares: list[float], request: float = 0.2, replicas: float = 2.0) -> pd.DataFrame:
    """Rows that use so much of what all replicas request."""
    used = np.array(shares) * request * replicas
    return pd.DataFrame({CPU_USAGE: used, CPU_REQUEST: request, REPLICAS: replicas})


def test_a_class_is_a_share_of_what_all_replicas_request() -> None:
    found = class_of(rows([0.0, 0.39, 0.4, 0.41, 0.59, 0.6, 5.0], request=0.25))

    assert found.tolist() == ["good", "good", "good", "danger", "danger", "bottleneck", "bottleneck"]


def test_without_cpu_request_or_replicas_there_is_no_class() -> None:
    known = rows([0.1, np.nan])

    assert class_of(known).tolist() == ["good", UNKNOWN]
    for column in (CPU_REQUEST, REPLICAS):
        assert class_of(known.drop(columns=column)).tolist() == [UNKNOWN, UNKNOWN]
        assert class_of(known.assign(**{column: np.nan})).tolist() == [UNKNOWN, UNKNOWN]
    assert class_of(known.assign(**{CPU_REQUEST: 0.0})).tolist() == [UNKNOWN, UNKNOWN]
    assert classify(known.drop(columns=REPLICAS), np.zeros(2)) is None


def test_scores_are_counted_by_hand() -> None:
    observed = rows([0.1, 0.1, 0.1, 0.5, 0.5, 0.9])
    predicted = rows([0.1, 0.1, 0.5, 0.5, 0.9, 0.9])[CPU_USAGE].to_numpy()

    found = classify(observed, predicted)

    assert found is not None
    assert found.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    good, danger, bottleneck = found.by_class.values()
    assert (good.precision, good.rows) == (1.0, 3)
    assert good.recall == pytest.approx(2 / 3)
    assert (danger.precision, danger.recall) == (0.5, 0.5)
    assert (bottleneck.precision, bottleneck.recall) == (0.5, 1.0)
    assert good.f1 == pytest.approx(0.8)
    assert found.weighted.f1 == pytest.approx((3 * 0.8 + 2 * 0.5 + 1 * 2 / 3) / 6)
    assert found.weighted.rows == 6
