"""Which loads of a campaign lie on a line together: those at which the services were laid out alike."""

from collections.abc import Hashable, Iterator, Mapping

import numpy as np
import pandas as pd

from kpp.schema import CPU_LIMIT, REPLICAS, SERVICE, USER_COUNT
from kpp.whatif.scenario import PER_SERVICE

MOST_BRANCHES = 4  # more would be a thicket: a campaign that changes at random
MOST_DIFFERENCES = 2  # in the name of a branch


def find_branches(layouts: pd.DataFrame) -> "pd.Series[int]":
    """Which loads lie on a line together: those of a layout that returns after another one have their own.

    Args:
        layouts: `SERVICE`, `USER_COUNT` and scales, a row for each service at each load.

    Returns:
        By user count: the branch, 0 for all that do not return. All 0 where there were too many branches.
    """
    scales = by_load(layouts)
    if scales.empty:
        return pd.Series(0, index=scales.index)
    kinds = scales.groupby(list(scales.columns), dropna=False, sort=False).ngroup().to_numpy()
    runs = pd.Series(kinds)[np.diff(kinds, prepend=-1) != 0].value_counts()
    returning = sorted(runs.index[runs > 1])
    if len(returning) > MOST_BRANCHES:
        returning = []
    numbers = [returning.index(kind) + 1 if kind in returning else 0 for kind in kinds]
    return pd.Series(numbers, index=scales.index)


def by_load(layouts: pd.DataFrame) -> pd.DataFrame:
    """The scales of all services at each load, by user count; a column of ones where none are known."""
    scales = [column for column in layouts if column in PER_SERVICE]
    measured = np.sort(layouts[USER_COUNT].unique())
    if not scales:
        return pd.DataFrame({"none": 1.0}, index=measured)
    return layouts.pivot_table(index=USER_COUNT, columns=SERVICE, values=scales).reindex(measured)


def name_branches(layouts: pd.DataFrame, branches: "pd.Series[int]", learned: float) -> Mapping[int, str]:
    """What differs in each branch from the layout at a load that was learned; empty if there is one branch.

    Args:
        layouts: as of `find_branches`.
        branches: its answer.
        learned: the user count.
    """
    if branches.nunique() < 2:
        return {}
    scales = by_load(layouts)
    usual = scales[scales.index == learned].iloc[0].to_dict()
    names = {}
    for branch, loads in branches.groupby(branches).groups.items():
        found = list(_differences(scales.loc[loads], usual))
        more = f" and {len(found) - MOST_DIFFERENCES} more" if len(found) > MOST_DIFFERENCES else ""
        names[int(str(branch))] = ", ".join(found[:MOST_DIFFERENCES]) + more if found else "as learned"
    return names


def _differences(scales: pd.DataFrame, usual: Mapping[Hashable, float]) -> Iterator[str]:
    """What all loads of a branch share, and the usual layout does not: replicas first."""
    first = scales.iloc[0].to_dict()
    for scale, phrase in ((REPLICAS, "{} x{:g}"), (CPU_LIMIT, "{} limit {:g}")):
        for column in scales:
            if isinstance(column, tuple) and column[0] == scale:
                same = (scales[column] == first[column]).all()
                if same and first[column] != usual[column]:
                    yield phrase.format(column[1], first[column])
