"""A part of tables that do not fit in memory: every service and load, fewer minutes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpp.errors import InputError
from kpp.schema import (
    SERVICE,
    SOURCE,
    TIMESTAMP,
    USER_COUNT,
    read_measurements,
    read_thinned_measurements,
)
from kpp.table import csv_rows, folders
from kpp.table.folders import TableFile
from kpp.table.minutes import MINUTE
from kpp.table.thinning import choose_minutes
from tests.measurements import make_measurements, write_measurements

SERVICES = ("ad", "cart", "frontend")


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    most=st.integers(1, 300),
    seed=st.integers(0, 99),
)
def test_each_load_keeps_the_same_number_evenly_over_time(counts: list[int], most: int, seed: int) -> None:
    loads = pd.DataFrame(
        {MINUTE: np.arange(sum(counts)) * 60, USER_COUNT: np.repeat(np.arange(len(counts)), counts)}
    )

    kept = choose_minutes(loads.sample(frac=1, random_state=seed), most)

    chosen = loads[loads[MINUTE].isin(kept)]
    sizes = chosen.groupby(USER_COUNT).size().reindex(range(len(counts))).tolist()
    each = max(sizes)
    assert sizes == [min(count, each) for count in counts]
    assert len(kept) <= max(most, len(counts))
    one_more = sum(min(count, each + 1) for count in counts)
    assert one_more > most or each == max(counts)
    for (_, own), count in zip(chosen.groupby(USER_COUNT), counts, strict=True):
        steps = np.diff(own[MINUTE].to_numpy() // 60)
        assert len(steps) == 0 or steps.max() <= -(-count // len(own))


def test_rows_of_a_minute_stay_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_measurements(SERVICES, samples=40)
    rows.loc[5, USER_COUNT] = None
    path = write_measurements(rows, tmp_path / "a.csv")
    whole = read_measurements([path])
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 500)
    monkeypatch.setattr(folders, "MOST_ROWS", TableFile(path).row_count // 4)
    shares: list[float] = []

    table = read_thinned_measurements([path], shares.append)

    assert 0.15 < len(table.frame) / len(whole.frame) < 0.26
    assert set(table.frame[USER_COUNT]) == set(whole.frame[USER_COUNT])
    own = whole.frame[whole.frame[TIMESTAMP].isin(table.frame[TIMESTAMP])]
    columns = [column for column in own if column != SOURCE]
    pd.testing.assert_frame_equal(table.frame[columns], own[columns].reset_index(drop=True))
    assert set(table.frame[SERVICE]) == {*SERVICES}
    minutes = table.frame[TIMESTAMP].nunique()
    assert table.notes[0].startswith(f"the tables do not fit in memory: {minutes} of 120 minutes are used")
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_what_fits_is_read_whole(tmp_path: Path) -> None:
    path = write_measurements(make_measurements(SERVICES), tmp_path / "a.csv")

    table = read_thinned_measurements([path])

    pd.testing.assert_frame_equal(table.frame, read_measurements([path]).frame)
    assert table.notes == ()


def test_what_has_no_usable_row_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_measurements(SERVICES).assign(**{USER_COUNT: None})
    path = write_measurements(rows, tmp_path / "a.csv")
    monkeypatch.setattr(folders, "MOST_ROWS", 20)

    with pytest.raises(InputError, match="no usable row"):
        read_thinned_measurements([path])
