"""How many rows a file has, before it is read: what decides whether it fits in memory."""

from pathlib import Path

SAMPLE_BYTES = 100_000  # of a CSV file, whose lines stand for all


def count_parquet(path: Path) -> int:
    """As the file says itself; 0 where it does not, which reading tells."""
    import pyarrow.parquet  # late: it takes longer to load than `kpp --help` may

    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError):
        return 0


def estimate_csv(path: Path) -> int:
    """Lines, from the length of the first ones; 0 where there is none, or a pipe, which is read only once."""
    try:
        if not path.is_file():
            return 0
        with path.open("rb") as stream:
            sample = stream.read(SAMPLE_BYTES)
        size = path.stat().st_size
    except OSError:
        return 0
    lines = max(1, sample.count(b"\n"), sample.count(b"\r"))
    return round(size * lines / len(sample)) if sample else 0
