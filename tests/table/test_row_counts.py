"""How many rows a file has, against those that were written."""

import os
import threading
from pathlib import Path

import pytest

from kpp.table.folders import TableFile
from tests.measurements import make_measurements, write_measurements


@pytest.mark.parametrize("samples", [1, 40, 2000])
def test_the_rows_of_a_table(tmp_path: Path, samples: int) -> None:
    rows = make_measurements(("ad", "cart"), samples=samples)
    rows.to_parquet(tmp_path / "a.parquet")
    path = write_measurements(rows, tmp_path / "a.csv")
    returns = tmp_path / "b.csv"
    returns.write_bytes(path.read_bytes().replace(b"\n", b"\r"))

    assert TableFile(tmp_path / "a.parquet").row_count == len(rows)
    assert TableFile(path).row_count == pytest.approx(len(rows) + 1, rel=0.02)  # the header is a line
    assert TableFile(returns).row_count == TableFile(path).row_count


def test_what_cannot_be_counted_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("PAR1 but no more", encoding="utf-8")
    (tmp_path / "empty.csv").touch()

    for name in ("a.parquet", "b.parquet", "b.csv", "empty.csv", "x" * 300):
        assert TableFile(tmp_path / name).row_count == 0


def test_what_can_be_read_only_once_is_left_to_the_reader(tmp_path: Path) -> None:
    """A pipe, as of `kpp check <(zcat rows.csv.gz)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    counted = threading.Thread(target=lambda: TableFile(pipe).row_count, daemon=True)
    counted.start()
    counted.join(timeout=10)
    assert not counted.is_alive()
