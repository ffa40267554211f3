"""Times reading a table and preparing its windows, inside one process.

    python benchmarks/reading.py FILE

Prints JSON: seconds for reading and checking, and for aggregating, splitting, cleaning and windowing. What
does not fit in memory is read and prepared in groups of services, as `kpp train` does.
"""

import json
import sys
import time
from pathlib import Path

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.schema import read_measurement_groups


def main() -> None:
    """Read, prepare, report."""
    read = prepared = 0.0
    windows = 0
    began = time.perf_counter()
    for table in read_measurement_groups([Path(sys.argv[1])]):
        at_hand = time.perf_counter()
        datasets = PerformancesDataPipeline().run(table).datasets.values()
        windows += sum(len(each.fit) + len(each.validation) + len(each.test) for each in datasets)
        read += at_hand - began
        began = time.perf_counter()
        prepared += began - at_hand
    json.dump({"read": read, "prepare": prepared, "windows": windows}, sys.stdout)


if __name__ == "__main__":
    main()
