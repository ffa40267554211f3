"""Ways of holding measurements out. What is held out is asked for, and reaches no model before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedShuffleSplit

from kpp.errors import ConfigError, InputError
from kpp.evaluation.classes import class_of
from kpp.schema import REPLICAS, SERVICE, TIMESTAMP, USER_COUNT
from kpp.whatif.model import Campaign

KEYS = [TIMESTAMP, SERVICE, USER_COUNT]
TEST_SHARE = 0.2
MOST_NAMED = 8  # user counts, in a label
ROUNDING = 1e-9  # so that 80 % of 10 rows are 8
INTERPOLATED, KEPT = 5, 5  # user counts held out by `interpolation`, left by `few-loads`


@dataclass(frozen=True)
class Request:
    """What is to be split.

    Attributes:
        train: what models may learn from.
        test: a second campaign, or None.
        seed: of splits that draw lots.
        count: how many user counts to hold out (`few-loads`: to keep); None for the split's own choice.
        user_counts: which ones; empty for the split's own choice.
    """

    train: Campaign
    test: Campaign | None = None
    seed: int = 0
    count: int | None = None
    user_counts: Sequence[float] = ()


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
        ConfigError: no such method, or it needs something else.
        InputError: the measurements cannot be split so.
    """
    if name not in SPLITS:
        raise ConfigError(f"{name!r} is no split", mend=f"name one of {', '.join(SPLITS)}")
    folds = SPLITS[name](request)
    if not folds:
        mend = "measure more loads, or choose another split"
        raise InputError(f"the measurements cannot be split by {name}", mend=mend)
    return folds


def interpolation(request: Request) -> list[Fold]:
    """Hold out user counts between others; which ones, the seed draws."""
    inner = _user_counts(request)[1:-1]
    count = min(request.count or INTERPOLATED, max(1, len(inner) // 2))
    drawn = np.random.default_rng(request.seed).permutation(inner)[:count]
    return _hold_out(request.train, request.user_counts or sorted(drawn))


def extrapolation(request: Request) -> list[Fold]:
    """Learn one campaign and ask for another; with one alone, hold its highest user counts out."""
    if request.test is not None:
        label = "one campaign learned, another asked for"
        return [Fold(label, request.train, _without(request.test.measurements, request.train))]
    steps = _user_counts(request)
    count = request.count or max(1, round(TEST_SHARE * len(steps)))
    return _hold_out(request.train, request.user_counts or steps[-count:]) if count < len(steps) else []


def merged(request: Request) -> list[Fold]:
    """Put both campaigns together, and hold out the last fifth, in time, of each user count."""
    if request.test is None:
        raise ConfigError("the split merged needs a second campaign", mend="name it with --test")
    frames = [request.train.measurements, _without(request.test.measurements, request.train)]
    rows = pd.concat(frames, ignore_index=True).sort_values([SERVICE, TIMESTAMP], ignore_index=True)
    levels = rows.groupby([SERVICE, USER_COUNT])
    early = np.floor((1 - TEST_SHARE) * levels[TIMESTAMP].transform("size") + ROUNDING).clip(lower=1)
    late = levels.cumcount() >= early
    return _divide(replace(request.train, measurements=rows), late.to_numpy(), "the last fifth of each load")


def stratified(request: Request) -> list[Fold]:
    """Hold a fifth of each service's rows out, with the same share of each class of CPU use in both parts."""
    rows = _all_rows(request)
    strata = rows[SERVICE].str.cat(pd.Series(class_of(rows), index=rows.index), sep=" ")
    frequent = np.flatnonzero(
        strata.groupby(strata).transform("size") >= 2
    )  # one row cannot be in both parts
    groups = strata.iloc[frequent].nunique()
    if len(frequent) * TEST_SHARE < groups:
        return []
    draw = StratifiedShuffleSplit(n_splits=1, test_size=TEST_SHARE, random_state=request.seed)
    ((_, chosen),) = draw.split(frequent, strata.iloc[frequent])
    held_out = np.zeros(len(rows), dtype=bool)
    held_out[frequent[chosen]] = True
    return _divide(replace(request.train, measurements=rows), held_out, "a fifth of each class of CPU use")


def leave_one_load_out(request: Request) -> list[Fold]:
    """Hold each user count out in turn."""
    counts = request.user_counts or _user_counts(request)
    return [fold for count in counts for fold in _hold_out(request.train, [count])]


def unseen_replicas(request: Request) -> list[Fold]:
    """Hold out, in turn, each number of replicas of each service that was measured with several."""
    rows = request.train.measurements
    if REPLICAS not in rows:
        raise InputError("the tables have no Replicas", mend="choose another split")
    folds = []
    for service, own in rows.groupby(SERVICE):
        for count in sorted(own[REPLICAS].dropna().unique()):
            scaled = own[own[REPLICAS] == count]
            elsewhere = ~rows[TIMESTAMP].isin(scaled[TIMESTAMP])
            if (elsewhere & (rows[SERVICE] == service)).any():
                train = replace(request.train, measurements=rows[elsewhere].reset_index(drop=True))
                folds.append(Fold(f"{service} x{count:g}", train, scaled.reset_index(drop=True)))
    return folds


def few_loads(request: Request) -> list[Fold]:
    """Learn a few user counts, spread evenly over all, and ask for the others."""
    steps = _user_counts(request)
    count = min(request.count or KEPT, max(2, len(steps) // 2))
    places = np.linspace(0, len(steps) - 1, count).round().astype(int)
    kept = request.user_counts or [steps[place] for place in places]
    return _hold_out(request.train, [step for step in steps if step not in kept])


SPLITS: Mapping[str, Callable[[Request], list[Fold]]] = {
    "interpolation": interpolation,
    "extrapolation": extrapolation,
    "merged": merged,
    "stratified": stratified,
    "leave-one-load-out": leave_one_load_out,
    "unseen-replicas": unseen_replicas,
    "few-loads": few_loads,
}


def _user_counts(request: Request) -> list[float]:
    return sorted(float(count) for count in request.train.measurements[USER_COUNT].unique())


def _all_rows(request: Request) -> pd.DataFrame:
    if request.test is None:
        return request.train.measurements
    frames = [request.train.measurements, _without(request.test.measurements, request.train)]
    return pd.concat(frames, ignore_index=True)


def _without(rows: pd.DataFrame, learned: Campaign) -> pd.DataFrame:
    """The rows that were not learned: two campaigns may share some."""
    known = pd.MultiIndex.from_frame(learned.measurements[KEYS])
    return rows[~pd.MultiIndex.from_frame(rows[KEYS]).isin(known)].reset_index(drop=True)


def _hold_out(campaign: Campaign, user_counts: Sequence[float]) -> list[Fold]:
    held_out = campaign.measurements[USER_COUNT].isin(list(user_counts)).to_numpy()
    label = f"{', '.join(f'{count:g}' for count in user_counts)} users held out"
    if len(user_counts) > MOST_NAMED:
        least, most = min(user_counts), max(user_counts)
        label = f"{len(user_counts)} user counts from {least:g} to {most:g} held out"
    return _divide(campaign, held_out, label)


def _divide(campaign: Campaign, held_out: NDArray[np.bool_], label: str) -> list[Fold]:
    rows = campaign.measurements
    if held_out.all() or not held_out.any():
        return []
    train = replace(campaign, measurements=rows[~held_out].reset_index(drop=True))
    return [Fold(label, train, rows[held_out].reset_index(drop=True))]
