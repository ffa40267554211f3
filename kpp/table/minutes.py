"""The minutes that timestamps belong to."""

from typing import TYPE_CHECKING

from kpp.table.columns import STEP_SECONDS

if TYPE_CHECKING:
    import pandas as pd

MINUTE = "minute"


def nearest_minute(timestamps: "pd.Series[float]") -> "pd.Series[int]":
    """Round Unix seconds to whole minutes, as Unix seconds; half a minute counts as the next.

    >>> import pandas as pd
    >>> nearest_minute(pd.Series([29.0, 30.0, 91.0])).tolist()
    [0, 60, 120]
    """
    steps = (timestamps / STEP_SECONDS + 0.5) // 1
    return (steps * STEP_SECONDS).astype("int64")
