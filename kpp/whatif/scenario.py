"""Scenarios: what a prediction is asked for. Reading, building and completing them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.errors import InputError
from kpp.schema import CPU_LIMIT, CPU_REQUEST, LINE, REPLICAS, SERVICE, TARGETS, TIMESTAMP, USER_COUNT
from kpp.whatif.model import REASON, SCENARIO_COLUMNS, SITUATION, THINK_TIME, VERDICT
from kpp.whatif.small_tables import Allowed, read_small_table

PER_SERVICE = (REPLICAS, CPU_REQUEST, CPU_LIMIT)  # columns that differ between the services of a situation
NUMBERS = {
    SITUATION: Allowed(whole=True, required=True),
    USER_COUNT: Allowed(least=1, whole=True, required=True),
    REPLICAS: Allowed(least=1, whole=True),
    CPU_REQUEST: Allowed(above_least=True),
    CPU_LIMIT: Allowed(above_least=True),
    THINK_TIME: Allowed(),
}
ANSWERS = (
    *TARGETS,
    VERDICT,
    REASON,
    *(f"{target} {side}" for target in TARGETS for side in ("lower", "upper")),
)


def read_scenario(path: Path) -> pd.DataFrame:
    """Read a scenario file: `Service`, `User Count`, and where known the other `SCENARIO_COLUMNS`.

    Returns:
        The file's columns as they are; those that kpp does not know are kept as text.

    Raises:
        InputError: the file cannot be used, asks twice for a service in one situation, or holds a column that
            a prediction will write.
    """
    frame = read_small_table(path, [SERVICE], NUMBERS, required=[SERVICE, USER_COUNT])
    taken = [column for column in frame if column in ANSWERS]
    if taken:
        mend = "remove the column: a scenario holds what is asked, not what was measured or predicted"
        raise InputError(f"the column {taken[0]!r} is an answer", where=str(path), mend=mend)
    if SITUATION in frame:
        _refuse_doubles(path, frame)
    return frame.drop(columns=LINE)


def make_scenario(
    services: Sequence[str],
    user_counts: Sequence[int],
    replicas: Mapping[str, int],
    think_time_seconds: float,
) -> pd.DataFrame:
    """All services at each of the user counts.

    Args:
        services: of the campaign, in the order of the rows.
        user_counts: one situation for each.
        replicas: of the services whose scale is to differ from the measured one.
        think_time_seconds: the users' pause per request; NaN for the campaign's own.

    Raises:
        InputError: a service is to have no replica.
    """
    for service, count in replicas.items():
        if count < 1:
            raise InputError(f"{count} replicas of {service}", mend="ask for at least one")
    rows = [(count, service) for count in user_counts for service in services]
    frame = pd.DataFrame(rows, columns=[USER_COUNT, SERVICE])[[SERVICE, USER_COUNT]]
    frame[USER_COUNT] = frame[USER_COUNT].astype("float64")
    if replicas:
        frame[REPLICAS] = frame[SERVICE].map(replicas).astype("float64")
    if not np.isnan(think_time_seconds):
        frame[THINK_TIME] = think_time_seconds
    return frame


def check_numbers(scenario: pd.DataFrame) -> None:
    """Refuse numbers that mean nothing, in a scenario that was not read from a file.

    Raises:
        InputError: there is no service or user count; user counts, replicas, requests or limits are not above
            0, a think time is below 0, or a number is infinite.
    """
    for column in (SERVICE, USER_COUNT):
        if column not in scenario:
            raise InputError(f"the scenario has no column {column!r}", mend="give each row its own")
    for column in (USER_COUNT, *PER_SERVICE, THINK_TIME):
        if column not in scenario:
            continue
        values = pd.to_numeric(scenario[column], errors="coerce").to_numpy(dtype=np.float64)
        open_ = scenario[column].isna().to_numpy() & (column != USER_COUNT)
        allowed = (values >= 0 if column == THINK_TIME else values > 0) & np.isfinite(values)
        wrong = np.flatnonzero(~allowed & ~open_)
        if len(wrong):
            what = f"{column} is {scenario[column].iloc[wrong[0]]} in row {wrong[0]} of the scenario"
            mend = "write a number of at least 0" if column == THINK_TIME else "write a number above 0"
            raise InputError(what, mend=mend)


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a scenario all `SCENARIO_COLUMNS`: NaN where nothing is known, situations numbered by order.

    A service that is there already, or another user count or think time, begins a new situation.

    Returns:
        The `SCENARIO_COLUMNS` alone, the frame's index.
    """
    columns = [column for column in SCENARIO_COLUMNS if column in frame]
    full = frame[columns].reindex(columns=list(SCENARIO_COLUMNS))
    if SITUATION not in frame:
        full[SITUATION] = _number_situations(full)
    numeric = [column for column in SCENARIO_COLUMNS if column != SERVICE]
    return full.astype(dict.fromkeys(numeric, "float64"))


def situations_of(rows: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """The scenario that measured rows answer: who and where, nothing that was measured.

    The rows of a minute, under one user count, are a situation; minutes that do not differ are one.

    Args:
        rows: as of `Campaign.measurements`.

    Returns:
        All `SCENARIO_COLUMNS`, index 0, 1, …; and for each of the rows its position there.
    """
    shown = rows[[SERVICE, USER_COUNT]].reset_index(drop=True)
    for column in PER_SERVICE:
        shown[column] = rows[column].to_numpy(dtype=np.float64) if column in rows else np.nan
    kinds = shown.groupby(list(shown.columns), dropna=False, sort=False).ngroup().to_numpy()
    minutes = rows.groupby([TIMESTAMP, USER_COUNT]).ngroup().to_numpy()
    numbers: dict[tuple[int, ...], int] = {}
    situations = np.empty(len(shown))
    for together in pd.Series(kinds).groupby(minutes).indices.values():
        layout = tuple(sorted(kinds[together].tolist()))
        situations[together] = numbers.setdefault(layout, len(numbers))
    keys = pd.MultiIndex.from_arrays([situations, kinds])
    positions, _ = pd.factorize(keys)
    first = ~keys.duplicated()
    return complete(shown.assign(**{SITUATION: situations})[first].reset_index(drop=True)), positions.astype(
        np.intp
    )


def _number_situations(frame: pd.DataFrame) -> list[int]:
    numbers: list[int] = []
    seen: set[str] = set()
    load: tuple[float, float] | None = None
    number = 0
    pauses = frame[THINK_TIME].astype("float64").fillna(-1.0)
    for service, user_count, pause in zip(frame[SERVICE], frame[USER_COUNT], pauses, strict=True):
        if load is not None and (service in seen or load != (user_count, pause)):
            number += 1
            seen = set()
        seen.add(service)
        load = (user_count, pause)
        numbers.append(number)
    return numbers


def _refuse_doubles(path: Path, frame: pd.DataFrame) -> None:
    doubles = frame[frame.duplicated([SITUATION, SERVICE])]
    if not doubles.empty:
        first = doubles.iloc[0]
        what = f"{first[SERVICE]} is twice in the scenario {first[SITUATION]:g}"
        where = f"{path}, line {first[LINE]}"
        raise InputError(what, where=where, mend="give the row another number, or leave the column out")
    uneven = frame.groupby(SITUATION)[USER_COUNT].nunique()
    if (uneven > 1).any():
        what = f"the scenario {uneven.index[uneven > 1][0]:g} has more than one user count"
        raise InputError(what, where=str(path), mend="give each user count a number of its own")
