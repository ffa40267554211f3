"""Ways of holding measurements out. What is held out is asked for, and reaches no model before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from kpp.errors import ConfigError, InputError
from kpp.evaluation.classes import class_of
from kpp.evaluation.request import Request, check_request, name_user_counts
from kpp.schema import REPLICAS, SERVICE, TIMESTAMP, USER_COUNT
from kpp.whatif.model import Campaign

KEYS = [TIMESTAMP, SERVICE, USER_COUNT]
TEST_SHARE = 0.2
MOST_NAMED = 4  # services, in a label
ROUNDING = 1e-9  # so that 80 % of 10 rows are 8
INTERPOLATED, KEPT = 5, 5  # user counts held out by `interpolation`, left by `few-loads`
DRAWN = ("interpolation", "stratified")  # splits that depend on the seed


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and rows to ask for.

    Raises:
        ValueError: a row is in both; this is the fence between them.
    """

    label: str
    train: Campaign
    test: pd.DataFrame  # columns of `Campaign.measurements`, index 0, 1, …

    def __post_init__(self) -> None:
        both = self.train.measurements[KEYS].merge(self.test[KEYS], on=KEYS)
        if len(both):
            raise ValueError(f"{len(both)} rows are to be learned and asked for")


def split(name: str, request: Request) -> list[Fold]:
    """Split by the method of that name.

    Raises:
        ConfigError: no such method, or the request has something that it cannot use.
        InputError: the measurements cannot be split so.
    """
    if name not in SPLITS:
        raise ConfigError(f"{name!r} is no split", mend=f"name one of {', '.join(SPLITS)}")
    check_request(name, request)
    return SPLITS[name](request)


def interpolation(request: Request) -> list[Fold]:
    """Hold out user counts between others; which ones, the seed draws."""
    inner = request.measured_user_counts[1:-1]
    count = request.count or min(INTERPOLATED, max(1, len(inner) // 2))
    _need_loads("interpolation", request, count + 2)
    drawn = np.random.default_rng(request.seed).permutation(inner)[:count]
    return [_hold_out(request.train, request.user_counts or sorted(drawn))]


def extrapolation(request: Request) -> list[Fold]:
    """Learn one campaign and ask for another; with one alone, hold its highest user counts out."""
    if request.test is not None:
        asked = _without(request.test.measurements, request.train)
        shared = len(request.test.measurements) - len(asked)
        if asked.empty:
            mend = "name two campaigns, or leave the second one out"
            raise InputError("all rows of the second campaign are in the first", mend=mend)
        tail = f"; {shared} rows that both have are left out" if shared else ""
        return [Fold(f"one campaign learned, another asked for{tail}", request.train, asked)]
    steps = request.measured_user_counts
    count = request.count or max(1, round(TEST_SHARE * len(steps)))
    _need_loads("extrapolation", request, count + 1)
    return [_hold_out(request.train, request.user_counts or steps[-count:])]


def merged(request: Request) -> list[Fold]:
    """Put both campaigns together, and hold out the last fifth, in time, of each user count."""
    rows = _all_rows(request).sort_values([SERVICE, TIMESTAMP], ignore_index=True)
    levels = rows.groupby([SERVICE, USER_COUNT])
    early = np.floor((1 - TEST_SHARE) * levels[TIMESTAMP].transform("size") + ROUNDING).clip(lower=1)
    late = levels.cumcount() >= early
    return [
        _divide(replace(request.train, measurements=rows), late.to_numpy(), "the last fifth of each load")
    ]


def stratified(request: Request) -> list[Fold]:
    """Hold a fifth of each service's rows out, with the same share of each class of CPU use in both parts."""
    rows = _all_rows(request)
    strata = rows[SERVICE].str.cat(pd.Series(class_of(rows), index=rows.index), sep=" ")
    sizes = strata.groupby(strata).transform("size")
    frequent = np.flatnonzero(sizes >= 2)  # one row cannot be in both parts
    groups = strata.iloc[frequent].nunique()
    if not groups or len(frequent) * TEST_SHARE < groups:
        what = "there are fewer than five rows for each service and class of CPU use"
        raise InputError(what, mend="measure for longer, or choose another split")
    draw = StratifiedShuffleSplit(n_splits=1, test_size=TEST_SHARE, random_state=request.seed)
    ((_, chosen),) = draw.split(frequent, strata.iloc[frequent])
    held_out = np.zeros(len(rows), dtype=bool)
    held_out[frequent[chosen]] = True
    return [_divide(replace(request.train, measurements=rows), held_out, "a fifth of each class of CPU use")]


def leave_one_load_out(request: Request) -> list[Fold]:
    """Hold each user count out in turn."""
    _need_loads("leave-one-load-out", request, 2)
    counts = request.user_counts or request.measured_user_counts
    return [_hold_out(request.train, [count]) for count in counts]


def unseen_replicas(request: Request) -> list[Fold]:
    """Hold out, in turn, each number of replicas of each service that was measured with several.

    Whatever else was measured in these minutes is not learned either. Services that were scaled at the same
    minutes are one fold.
    """
    rows = request.train.measurements
    if REPLICAS not in rows:
        raise InputError("the tables have no Replicas", mend="choose another split")
    scaled: dict[frozenset[float], list[tuple[str, float]]] = {}
    for service, own in rows.groupby(SERVICE):
        counts = own.groupby(REPLICAS)[TIMESTAMP].agg(frozenset)
        for count, minutes in zip(counts.index.to_numpy(), counts, strict=True) if len(counts) > 1 else ():
            scaled.setdefault(minutes, []).append((str(service), float(count)))
    folds = [_hold_scale_out(request.train, minutes, scales) for minutes, scales in scaled.items()]
    found = [fold for fold in folds if fold is not None]
    if not found:
        mend = "choose another split"
        raise InputError("no service was measured with several numbers of replicas", mend=mend)
    return found


def few_loads(request: Request) -> list[Fold]:
    """Learn a few user counts, spread evenly over all, and ask for the others."""
    steps = request.measured_user_counts
    count = request.count or min(KEPT, max(2, len(steps) // 2))
    _need_loads("few-loads", request, count + 1)
    places = np.linspace(0, len(steps) - 1, count).round().astype(int)
    kept = request.user_counts or [steps[place] for place in places]
    return [_hold_out(request.train, [step for step in steps if step not in kept])]


SPLITS: Mapping[str, Callable[[Request], list[Fold]]] = {
    "interpolation": interpolation,
    "extrapolation": extrapolation,
    "merged": merged,
    "stratified": stratified,
    "leave-one-load-out": leave_one_load_out,
    "unseen-replicas": unseen_replicas,
    "few-loads": few_loads,
}


def _need_loads(name: str, request: Request, least: int) -> None:
    found = len(request.measured_user_counts)
    if found < least:
        mend = "measure more loads, or choose another split"
        raise InputError(f"{name} needs {least} user counts, and there are {found}", mend=mend)


def _all_rows(request: Request) -> pd.DataFrame:
    if request.test is None:
        return request.train.measurements
    frames = [request.train.measurements, _without(request.test.measurements, request.train)]
    return pd.concat(frames, ignore_index=True)


def _without(rows: pd.DataFrame, learned: Campaign) -> pd.DataFrame:
    """The rows that were not learned: two campaigns may share some."""
    known = pd.MultiIndex.from_frame(learned.measurements[KEYS])
    return rows[~pd.MultiIndex.from_frame(rows[KEYS]).isin(known)].reset_index(drop=True)


def _hold_out(campaign: Campaign, user_counts: Sequence[float]) -> Fold:
    held_out = campaign.measurements[USER_COUNT].isin(list(user_counts)).to_numpy()
    return _divide(campaign, held_out, f"{name_user_counts(user_counts)} held out")


def _hold_scale_out(
    campaign: Campaign, minutes: frozenset[float], scales: Sequence[tuple[str, float]]
) -> Fold | None:
    """Ask for services at a scale; None if nothing of one of them is left to learn."""
    rows = campaign.measurements
    elsewhere = ~rows[TIMESTAMP].isin(list(minutes))
    left = set(rows.loc[elsewhere, SERVICE])
    asked = rows[~elsewhere].merge(pd.DataFrame(scales, columns=[SERVICE, REPLICAS]), on=[SERVICE, REPLICAS])
    asked = asked[asked[SERVICE].isin(left)].reset_index(drop=True)
    if asked.empty:
        return None
    names = [f"{service} x{count:g}" for service, count in scales if service in left]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    train = replace(campaign, measurements=rows[elsewhere].reset_index(drop=True))
    return Fold(", ".join(names[:MOST_NAMED]) + more, train, asked[rows.columns])


def _divide(campaign: Campaign, held_out: NDArray[np.bool_], label: str) -> Fold:
    rows = campaign.measurements
    if held_out.all() or not held_out.any():
        what = f"nothing is left to {'learn' if held_out.all() else 'ask for'}"
        raise InputError(what, mend="measure more loads, or hold others out")
    train = replace(campaign, measurements=rows[~held_out].reset_index(drop=True))
    return Fold(label, train, rows[held_out].reset_index(drop=True))
