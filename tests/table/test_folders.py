"""Folders of tables: what is read, and how it is cut into groups of services."""

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from kpp.errors import InputError
from kpp.schema import SERVICE, read_measurement_groups, read_measurements
from kpp.table.columns import LINE, SOURCE
from kpp.table.folders import TableFile, list_files, split_by_service
from tests.measurements import make_measurements, write_measurements

SERVICES = ("ad", "cart", "frontend")


@pytest.fixture(params=["csv", "parquet"])
def partitioned(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder `Service=NAME` for each service, as pandas, Spark and pyarrow write it: without the column."""
    for service, rows in make_measurements(SERVICES).groupby(SERVICE):
        folder = tmp_path / "rows" / f"Service={service}"
        folder.mkdir(parents=True)
        own = rows.drop(columns=SERVICE)
        if request.param == "csv":
            own.to_csv(folder / "part-0.csv", index=False)
        else:
            own.to_parquet(folder / "part-0.parquet")
    (tmp_path / "rows" / "_SUCCESS").touch()
    return tmp_path / "rows"


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=[SOURCE, LINE]).sort_values([SERVICE, "Timestamp"], ignore_index=True)


def test_a_partitioned_folder_is_the_table_that_it_was_made_of(partitioned: Path, tmp_path: Path) -> None:
    whole = read_measurements([write_measurements(make_measurements(SERVICES), tmp_path / "whole.csv")])

    frame = read_measurements([partitioned]).frame

    assert_frame_equal(in_order(frame)[whole.frame.columns.drop([SOURCE, LINE])], in_order(whole.frame))


def test_groups_together_are_the_whole_and_no_service_is_in_two(
    partitioned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_measurements([partitioned]).frame
    largest = max(file.size for file in list_files([partitioned]))
    monkeypatch.setattr(split_by_service, "__defaults__", (2 * largest,))

    groups = [table.frame for table in read_measurement_groups([partitioned])]

    assert [sorted(group[SERVICE].unique()) for group in groups] == [["ad", "cart"], ["frontend"]]
    assert_frame_equal(in_order(pd.concat(groups)), in_order(whole))


def test_files_that_may_hold_several_services_are_one_group(tmp_path: Path) -> None:
    files = [TableFile(tmp_path / "a.csv"), TableFile(tmp_path / "Service=b" / "b.csv", "b")]

    assert [*split_by_service(files, most_bytes=0)] == [files]


@pytest.fixture
def in_order_of_time(tmp_path: Path) -> list[Path]:
    """Two Parquet files with every service from beginning to end; one row has no service."""
    rows = make_measurements(SERVICES, samples=40)
    rows.loc[7, SERVICE] = None
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    rows.iloc[:100].to_parquet(paths[0], row_group_size=16)
    rows.iloc[100:].to_parquet(paths[1], row_group_size=16)
    return paths


@pytest.mark.parametrize("share", [0.7, 0.1])
def test_large_parquet_files_are_read_service_by_service(
    in_order_of_time: list[Path], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    whole = read_measurements(in_order_of_time)
    total = sum(file.size for file in list_files(in_order_of_time))
    monkeypatch.setattr(split_by_service, "__defaults__", (int(share * total),))

    groups = [*read_measurement_groups(in_order_of_time)]

    services = [sorted(table.frame[SERVICE].unique()) for table in groups if len(table.frame)]
    assert services == ([["ad", "cart"], ["frontend"]] if share == 0.7 else [["ad"], ["cart"], ["frontend"]])
    columns = [SERVICE, "Timestamp", SOURCE, LINE]
    together = pd.concat([table.frame for table in groups]).astype({SOURCE: str})
    assert_frame_equal(
        together.sort_values(columns, ignore_index=True),
        whole.frame.astype({SOURCE: str}).sort_values(columns, ignore_index=True),
    )
    left_out = pd.concat([table.left_out for table in groups])
    assert left_out[LINE].tolist() == whole.left_out[LINE].tolist() == [8]


def test_a_fault_in_a_large_parquet_file_is_told_with_its_row(
    in_order_of_time: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.read_parquet(in_order_of_time[0])
    rows.loc[31, "CPU Usage"] = -1.0
    rows.to_parquet(in_order_of_time[0], row_group_size=16)
    monkeypatch.setattr(split_by_service, "__defaults__", (1,))

    with pytest.raises(InputError, match=r"a\.parquet, row 32: CPU Usage holds '-1.0', which is negative"):
        list(read_measurement_groups(in_order_of_time))


def test_small_parquet_files_and_those_beside_a_csv_file_are_one_group(
    in_order_of_time: list[Path], tmp_path: Path
) -> None:
    files = list_files(in_order_of_time)
    beside = [*files, TableFile(write_measurements(make_measurements(SERVICES), tmp_path / "c.csv"))]

    assert [*split_by_service(files)] == [files]
    assert [*split_by_service(beside, most_bytes=0)] == [beside]


def test_all_files_of_a_service_are_in_its_group(tmp_path: Path) -> None:
    files = [TableFile(Path(f"Service={service}/{part}.csv"), service) for part in "12" for service in "ba"]

    (group,) = split_by_service(files)

    assert [file.service for file in group] == ["a", "a", "b", "b"]


def test_a_folder_of_plain_tables_is_all_of_them_without_what_lies_beside(tmp_path: Path) -> None:
    rows = make_measurements(SERVICES)
    write_measurements(rows.iloc[:50], tmp_path / "performance_results_1.csv")
    write_measurements(rows.iloc[50:], tmp_path / "performance_results_2.csv")
    (tmp_path / "performance_calls_1.csv").write_text("Caller,Callee,Calls\n")
    (tmp_path / "performance_quality_1.csv").write_text("Experiment,User Count,Samples\n")
    (tmp_path / "tuesday_calls.csv").write_text("Caller,Callee,Calls\n")

    assert len(read_measurements([tmp_path]).frame) == len(rows)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no table of measurements; name the files, or a folder with"):
        read_measurements([tmp_path])
