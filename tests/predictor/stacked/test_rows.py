"""Batches of many services: what is in them, whatever the services' sizes."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.predictor.stacked.rows import Rows, StackedRows

LOOKBACK = 3
SIZES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=6)


def make_rows(number: int, count: int) -> Rows:
    """Rows that tell by their values whose they are, and which: those of row n are n and the service."""
    minutes = np.arange(count + LOOKBACK - 1, dtype=np.float32)
    history = np.stack([minutes, np.full_like(minutes, number)], axis=1)
    values = np.arange(count, dtype=np.float32)
    return Rows(
        history=torch.from_numpy(history),
        starts=torch.arange(count),
        targets=torch.from_numpy(np.stack([values, np.full_like(values, number)], axis=1)),
        weights=torch.ones(count, 2),
    )


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, shuffled=st.booleans())
def test_each_row_is_taken_once_with_its_own_window_and_nothing_else_counts(
    sizes: list[tuple[int, int]], shuffled: bool
) -> None:
    rows = StackedRows(
        [make_rows(number, count) for number, (count, _) in enumerate(sizes)], LOOKBACK, torch.device("cpu")
    )
    generators = [torch.Generator().manual_seed(number) for number in range(len(sizes))]
    seen: dict[int, list[int]] = {number: [] for number in range(len(sizes))}

    for batch in rows.batches([size for _, size in sizes], generators if shuffled else None):
        for service in range(batch.inputs.shape[1]):
            counted = batch.weights[service, 0] > 0
            assert batch.counts[service] == 2 * counted.sum()
            taken = batch.targets[service, 0][counted]
            assert len(taken) <= sizes[service][1]
            seen[service] += taken.int().tolist()
            assert (batch.targets[service, 1][counted] == service).all()
            windows = batch.inputs[:, service, :, counted]  # (lookback_steps, features, rows)
            assert (windows[:, 0] == taken + torch.arange(LOOKBACK)[:, None]).all()
            assert (windows[:, 1] == service).all()

    for number, (count, _) in enumerate(sizes):
        assert sorted(seen[number]) == list(range(count))
        if not shuffled:
            assert seen[number] == list(range(count))


def test_services_of_one_size_waste_no_place() -> None:
    rows = StackedRows([make_rows(number, 20) for number in range(3)], LOOKBACK, torch.device("cpu"))

    shapes = [tuple(batch.inputs.shape) for batch in rows.batches([8, 8, 8])]

    assert shapes == [(LOOKBACK, 3, 2, 8), (LOOKBACK, 3, 2, 8), (LOOKBACK, 3, 2, 4)]


def test_the_windows_are_views_of_the_history() -> None:
    rows = StackedRows([make_rows(0, 50)], LOOKBACK, torch.device("cpu"))

    assert rows._windows.untyped_storage().nbytes() == 4 * 2 * (50 + LOOKBACK - 1)
