"""The shipped table is what its script makes, and obeys the laws that the script states."""

import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kpp import schema

DATASET = Path(__file__).parents[1] / "dataset"
TABLE = DATASET / "synthetic_online_boutique.csv"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(TABLE)


def test_the_script_makes_the_table_bit_for_bit(tmp_path: Path) -> None:
    remade = tmp_path / "remade.csv"
    subprocess.run([sys.executable, DATASET / "make_synthetic.py", remade], check=True, timeout=60)
    assert remade.read_bytes() == TABLE.read_bytes()


def test_it_has_the_columns_of_the_contract(table: pd.DataFrame) -> None:
    assert tuple(table.columns) == schema.REQUIRED_COLUMNS + schema.OPTIONAL_COLUMNS


def test_every_experiment_has_every_service_every_minute(table: pd.DataFrame) -> None:
    rows = table.groupby([schema.USER_COUNT, schema.SERVICE]).size()
    assert table[schema.SERVICE].nunique() == 10
    assert table[schema.USER_COUNT].nunique() == 12
    assert len(rows) == 120
    assert set(rows) == {41}


def test_the_entry_service_obeys_the_response_time_law(table: pd.DataFrame) -> None:
    entry = table[table[schema.SERVICE] == "frontend"]
    pause = entry[schema.USER_COUNT] / entry[schema.THROUGHPUT] - entry[schema.RESPONSE_TIME]
    # load generator: a wait of 1 to 10 s between tasks, 28 requests in 19 tasks
    assert math.isclose(pause.median(), 5.5 * 19 / 28, rel_tol=0.05)


def test_the_application_stays_within_its_cpu_limit_and_comes_near_it(table: pd.DataFrame) -> None:
    utilization = table[schema.CPU_USAGE] / (table[schema.REPLICAS] * table[schema.CPU_LIMIT])
    highest = utilization.groupby([table[schema.SERVICE], table[schema.USER_COUNT]]).mean().max()
    assert 0.9 < highest < 1.0


def test_some_measured_cells_are_empty_and_no_others(table: pd.DataFrame) -> None:
    missing = table.isna().mean()
    measured = [*schema.TARGETS, schema.RESPONSE_TIME_P95]
    assert (missing[measured] > 0).all()
    assert (missing[measured] < 0.02).all()
    assert (missing.drop(measured) == 0).all()
