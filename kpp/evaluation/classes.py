"""The class of CPU use: what a service uses of what it requests."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kpp.schema import CPU_REQUEST, CPU_USAGE, REPLICAS

GOOD, DANGER, BOTTLENECK, UNKNOWN = "good", "danger", "bottleneck", "unknown"
CLASSES = (GOOD, DANGER, BOTTLENECK)
GOOD_UP_TO, BOTTLENECK_FROM = 0.4, 0.6  # of the request


@dataclass(frozen=True)
class ClassScores:
    """Of one class, or weighted over all."""

    precision: float
    recall: float
    f1: float
    rows: int  # that are of this class


@dataclass(frozen=True)
class Classification:
    """How well a model foresees the class.

    Attributes:
        confusion: rows are the observed classes, columns the predicted ones, both in the order of `CLASSES`.
        by_class: the scores of each class.
        weighted: their mean, weighted by rows.
    """

    confusion: list[list[int]]
    by_class: Mapping[str, ClassScores]
    weighted: ClassScores


def class_of(rows: pd.DataFrame, cpu_cores: NDArray[np.float64] | None = None) -> NDArray[np.object_]:
    """The class of each row; `UNKNOWN` where CPU, request or replicas are.

    Args:
        rows: `REPLICAS`, `CPU_REQUEST` (cores of one replica) and `CPU_USAGE` (of all together), if known.
        cpu_cores: (rows,), in place of `CPU_USAGE`.
    """
    if CPU_REQUEST not in rows or REPLICAS not in rows:
        return np.full(len(rows), UNKNOWN, dtype=object)
    used = rows[CPU_USAGE].to_numpy(dtype=np.float64) if cpu_cores is None else cpu_cores
    requested = (rows[CPU_REQUEST] * rows[REPLICAS]).to_numpy(dtype=np.float64)
    share = used / np.where(requested > 0, requested, np.nan)
    choices = [np.isnan(share), share <= GOOD_UP_TO, share < BOTTLENECK_FROM]
    return np.select(choices, [UNKNOWN, GOOD, DANGER], default=BOTTLENECK).astype(object)


def classify(rows: pd.DataFrame, predicted_cpu_cores: NDArray[np.float64]) -> Classification | None:
    """Compare predicted with observed classes; None if no row has both."""
    observed, predicted = class_of(rows), class_of(rows, predicted_cpu_cores)
    known = (observed != UNKNOWN) & (predicted != UNKNOWN)
    if not known.any():
        return None
    observed, predicted = observed[known].tolist(), predicted[known].tolist()
    labels = list(CLASSES)
    columns = precision_recall_fscore_support(observed, predicted, labels=labels, zero_division=0.0)
    weighted = precision_recall_fscore_support(
        observed, predicted, labels=labels, average="weighted", zero_division=0.0
    )
    by_class = {
        label: ClassScores(float(precision), float(recall), float(f1), int(rows_of))
        for label, precision, recall, f1, rows_of in zip(labels, *columns, strict=True)
    }
    return Classification(
        confusion_matrix(observed, predicted, labels=labels).tolist(),
        by_class,
        ClassScores(float(weighted[0]), float(weighted[1]), float(weighted[2]), len(observed)),
    )
