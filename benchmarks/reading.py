"""Times reading a table and preparing its windows, inside one process.

    python benchmarks/reading.py FILE

Prints JSON: seconds for reading and checking, and for aggregating, splitting, cleaning and windowing.
"""

import json
import sys
import time
from pathlib import Path

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.schema import read_measurements


def main() -> None:
    """Read, prepare, report."""
    began = time.perf_counter()
    table = read_measurements([Path(sys.argv[1])])
    read = time.perf_counter()
    prepared = PerformancesDataPipeline().run(table)
    done = time.perf_counter()
    windows = sum(
        len(each.fit) + len(each.validation) + len(each.test) for each in prepared.datasets.values()
    )
    json.dump({"read": read - began, "prepare": done - read, "windows": windows}, sys.stdout)


if __name__ == "__main__":
    main()
