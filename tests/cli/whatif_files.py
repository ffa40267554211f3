"""Files for the commands of the what-if models: a small shop's measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from kpp.schema import SOURCE
from tests.measurements import write_measurements
from tests.whatif.systems import make_rows

SERVICES = ("frontend", "cart", "catalog")


def write_shop(
    path: Path,
    user_counts: Sequence[int] = (20, 40, 60, 80),
    changes: Mapping[str, float] = MappingProxyType({}),
) -> Path:
    """Four loads, three services, four minutes each; `changes` replace whole columns."""
    rows = make_rows(user_counts, minutes=4).drop(columns=SOURCE)
    return write_measurements(rows.assign(**changes), path)
