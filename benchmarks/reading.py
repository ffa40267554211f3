"""Times reading a table and preparing its windows, inside one process.

    python benchmarks/reading.py FILE [--whole]

Prints JSON: seconds to read and check, and to aggregate, split, clean and cut into windows. What does not fit
in memory is read and prepared in groups of services, as `kpp train` does; with --whole all at once.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.schema import read_measurement_groups, read_measurements


def main() -> None:
    """Read, prepare, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="a table of measurements")
    parser.add_argument("--whole", action="store_true", help="all at once")
    options = parser.parse_args()

    read = prepared = 0.0
    windows = 0
    began = time.perf_counter()
    files = [options.file]
    for table in [read_measurements(files)] if options.whole else read_measurement_groups(files):
        at_hand = time.perf_counter()
        datasets = PerformancesDataPipeline().run(table).datasets.values()
        windows += sum(len(each.fit) + len(each.validation) + len(each.test) for each in datasets)
        read += at_hand - began
        began = time.perf_counter()
        prepared += began - at_hand
    json.dump({"read": read, "prepare": prepared, "windows": windows}, sys.stdout)


if __name__ == "__main__":
    main()
