"""Folders of tables: what is read, and how it is cut into groups of services."""

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from kpp.errors import InputError
from kpp.schema import SERVICE, read_measurement_groups, read_measurements
from kpp.table import folders
from kpp.table.columns import LINE, SOURCE
from kpp.table.folders import TableFile, group_by_service, list_files
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
    largest = max(file.row_count for file in list_files([partitioned]))
    monkeypatch.setattr(folders, "MOST_ROWS", 2 * largest)

    groups = [table.frame for table in read_measurement_groups([partitioned])]

    assert [sorted(group[SERVICE].unique()) for group in groups] == [["ad", "cart"], ["frontend"]]
    assert_frame_equal(in_order(pd.concat(groups)), in_order(whole))


def test_all_files_of_a_service_are_in_its_group(tmp_path: Path) -> None:
    files = [TableFile(Path(f"Service={service}/{part}.csv"), service) for part in "12" for service in "ba"]

    groups = group_by_service(files)

    assert groups is not None
    assert [[file.service for file in group] for group in groups] == [["a", "a", "b", "b"]]
    assert group_by_service([*files, TableFile(Path("c.csv"))]) is None


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
