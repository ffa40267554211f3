"""Tables that do not fit in memory: groups of services are together what the whole is."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kpp.errors import ConfigError, InputError
from kpp.schema import (
    CPU_USAGE,
    LINE,
    REPLICAS,
    SERVICE,
    SOURCE,
    TIMESTAMP,
    USER_COUNT,
    Table,
    read_measurement_groups,
    read_measurements,
)
from kpp.table import csv_rows, folders
from kpp.table.folders import count_rows, list_files
from kpp.table.spill import opened_spill
from tests.measurements import make_measurements, write_measurements

SERVICES = ("ad", "cart", "frontend")
FULL = Path("/dev/full")
FEW_BYTES = 700  # of a block


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", FEW_BYTES)


@pytest.fixture(params=["csv", "two csv", "parquet", "mixture", "with a folder"])
def paths(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """The same rows in files of all kinds, every service from beginning to end; some cannot be used."""
    rows = make_measurements(SERVICES, samples=40)
    rows.loc[7, SERVICE] = None
    rows.loc[[9, 12], USER_COUNT] = None
    rows.loc[200] = rows.loc[190]
    early, late = rows.iloc[:100], rows.iloc[100:].assign(**{REPLICAS: 2.0})
    if request.param == "csv":
        return [write_measurements(rows, tmp_path / "a.csv")]
    if request.param == "two csv":
        return [write_measurements(early, tmp_path / "a.csv"), write_measurements(late, tmp_path / "b.csv")]
    if request.param == "parquet":
        early.to_parquet(tmp_path / "a.parquet", row_group_size=16)
        late.to_parquet(tmp_path / "b.parquet", row_group_size=16)
        return [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    if request.param == "mixture":
        late.to_parquet(tmp_path / "b.parquet")
        return [tmp_path / "b.parquet", write_measurements(early, tmp_path / "a.csv")]
    (tmp_path / "rows" / "Service=cart").mkdir(parents=True)
    cart = late[late[SERVICE] == "cart"].drop(columns=SERVICE)
    cart.to_csv(tmp_path / "rows" / "Service=cart" / "part.csv", index=False)
    write_measurements(pd.concat([early, late[late[SERVICE] != "cart"]]), tmp_path / "rows" / "others.csv")
    return [tmp_path / "rows"]


def read_groups(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, share: float, **options: Any
) -> list[Table]:
    with monkeypatch.context() as patch:
        patch.setattr(folders, "MOST_ROWS", int(share * count_rows(list_files(paths))))
        return [*read_measurement_groups(paths, **options)]


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({SOURCE: str}).sort_values([SOURCE, LINE], ignore_index=True)


@pytest.mark.parametrize(("share", "count"), [(0.6, 2), (0.1, 3)])
def test_groups_are_together_the_whole(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, share: float, count: int
) -> None:
    whole = read_measurements(paths)
    shares: list[float] = []

    groups = read_groups(paths, monkeypatch, share, on_progress=shares.append)

    services = [set(table.frame[SERVICE]) for table in groups]
    assert len(services) == count
    assert sorted(service for group in services for service in group) == [*SERVICES]
    assert_frame_equal(
        in_order(pd.concat([table.frame for table in groups])), in_order(whole.frame), check_exact=True
    )
    assert_frame_equal(in_order(pd.concat([table.left_out for table in groups])), in_order(whole.left_out))
    assert "" in set(groups[0].left_out[SERVICE])
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > len(list_files(paths)) or paths[0].suffix == ".parquet"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # blocks are small all the time
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    group_count=st.integers(1, 6),
    blocks=st.integers(1, 3),
)
def test_groups_are_of_like_size(counts: list[int], group_count: int, blocks: int) -> None:
    """None has more than its share and the largest service: Graham's bound of list scheduling, 1966."""
    names = [f"s{number}" for number, count in enumerate(counts) for _ in range(count)]
    rows = pd.DataFrame({SERVICE: pd.Series(names, dtype="str"), LINE: range(len(names))})
    with opened_spill(group_count, 0) as filled:
        for _ in range(blocks):
            filled.add(0, rows)
        groups = [pd.concat([part for _, part in filled.read(group)]) for group in filled.groups]

    assert sorted(line for group in groups for line in group[LINE]) == sorted([*rows[LINE]] * blocks)
    services = [service for group in groups for service in set(group[SERVICE])]
    assert sorted(services) == sorted(set(names))
    assert max(map(len, groups)) <= blocks * (sum(counts) / group_count + max(counts))


def test_what_fits_is_one_group_that_is_the_whole(paths: list[Path]) -> None:
    (group,) = read_measurement_groups(paths)

    whole = read_measurements(paths)
    assert_frame_equal(group.frame, whole.frame)
    assert group.notes == whole.notes


def test_a_group_without_a_usable_row_loses_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_measurements(SERVICES)
    rows.loc[rows[SERVICE] == "cart", USER_COUNT] = None
    path = write_measurements(rows, tmp_path / "a.csv")

    groups = read_groups([path], monkeypatch, 0.1)

    assert [len(table.frame) > 0 for table in groups] == [True, False, True]
    assert set(groups[1].left_out[SERVICE]) == {"cart"}


Change = Callable[[pd.DataFrame], pd.DataFrame]


def with_values(row: int, **values: Any) -> Change:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        changed = rows.astype(object)
        changed.loc[row, list(values)] = list(values.values())
        return changed

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_values(100, **{CPU_USAGE: "-1"}),
        with_values(100, **{CPU_USAGE: "x"}),
        with_values(50, **{TIMESTAMP: 1.7e12}),
        with_values(20, **{SERVICE: "Cart"}),
        lambda rows: rows.assign(**{USER_COUNT: "many"}),
        lambda rows: rows.assign(**{USER_COUNT: ""}),
    ],
)
def test_what_is_refused_is_refused_in_the_same_words_before_any_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    path = write_measurements(change(make_measurements(SERVICES)), tmp_path / "a.csv")
    with pytest.raises(InputError) as whole:
        read_measurements([path])
    with monkeypatch.context() as patch:
        patch.setattr(folders, "MOST_ROWS", 20)
        groups = read_measurement_groups([path])
        with pytest.raises(InputError) as grouped:
            assert all(table.frame.empty for table in groups)
    assert str(grouped.value) == str(whole.value)


def test_files_that_contradict_each_other_are_refused_before_any_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the whole: the first row of all, and all minutes, though they are of two groups."""
    rows = make_measurements(SERVICES, samples=40)
    other = rows[rows[SERVICE] != "ad"].iloc[10:].assign(**{USER_COUNT: 77})
    paths = [write_measurements(rows, tmp_path / "a.csv"), write_measurements(other, tmp_path / "b.csv")]
    with pytest.raises(InputError) as whole:
        read_measurements(paths)
    monkeypatch.setattr(folders, "MOST_ROWS", 20)
    groups = read_measurement_groups(paths)
    with pytest.raises(InputError) as grouped:
        next(groups)
    assert "more minutes" in str(whole.value)
    assert str(grouped.value) == str(whole.value)


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_measurements(make_measurements(SERVICES), tmp_path / "a.csv")
    monkeypatch.setattr(folders, "MOST_ROWS", 20)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda prefix: FULL.open("r+b"))

    with pytest.raises(ConfigError, match="the disk is full; set TMPDIR to a folder on a larger disk"):
        next(read_measurement_groups([path]))


def test_too_little_room_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="GB are needed"), opened_spill(2, 10**18):
        pass


def test_nothing_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while it runs: the file has no name."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path = write_measurements(make_measurements(SERVICES), tmp_path / "a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "MOST_ROWS", 20)
        groups = read_measurement_groups([path])
        next(groups)
        assert [*scratch.iterdir()] == []
