import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpp.errors import ConfigError, InputError
from kpp.evaluation.classes import class_of
from kpp.evaluation.request import Request
from kpp.evaluation.splits import KEYS, SPLITS, Fold, split
from kpp.schema import CPU_REQUEST, CPU_USAGE, REPLICAS, SERVICE, TIMESTAMP, USER_COUNT
from kpp.whatif.model import Campaign
from tests.whatif.systems import SHOP, make_system

USER_COUNTS = tuple(range(10, 110, 10))


def campaign(seed: int = 0) -> Campaign:
    """Ten loads; the frontend has 2 replicas up to 50 users and 3 from then on."""
    rows = make_system(USER_COUNTS, minutes=5, seed=seed).measurements
    more = (rows[SERVICE] == "frontend") & (rows[USER_COUNT] > 50)
    return Campaign(rows.assign(**{REPLICAS: rows[REPLICAS] + more}))


def another() -> Campaign:
    rows = make_system((200, 300), minutes=5, seed=9).measurements
    return Campaign(rows.assign(**{TIMESTAMP: rows[TIMESTAMP] + 1e6}))


def user_counts(rows: pd.DataFrame) -> set[float]:
    return set(rows[USER_COUNT])


@pytest.mark.parametrize("name", list(SPLITS))
@given(seed=st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_no_row_is_learned_and_asked_and_the_same_seed_splits_alike(name: str, seed: int) -> None:
    request = Request(campaign(), another() if name == "merged" else None, seed=seed)

    folds, again = split(name, request), split(name, request)

    for fold, same in zip(folds, again, strict=True):
        keys = [set(map(tuple, rows[KEYS].to_numpy())) for rows in (fold.train.measurements, fold.test)]
        assert not keys[0] & keys[1]
        assert len(fold.test)
        assert list(fold.test.index) == list(range(len(fold.test)))
        pd.testing.assert_frame_equal(fold.test, same.test)


def test_interpolation_holds_inner_loads_out_and_the_seed_draws_them() -> None:
    drawn = set()
    for seed in range(10):
        (fold,) = split("interpolation", Request(campaign(), seed=seed, count=3))
        held_out = user_counts(fold.test)
        assert len(held_out) == 3
        assert min(USER_COUNTS) < min(held_out)
        assert max(held_out) < max(USER_COUNTS)
        assert user_counts(fold.train.measurements) == set(USER_COUNTS) - held_out
        drawn.add(frozenset(held_out))
    assert len(drawn) > 1


def test_interpolation_holds_five_out_unless_there_are_few() -> None:
    (fold,) = split("interpolation", Request(make_system(tuple(range(10, 310, 10)), minutes=1)))
    assert len(user_counts(fold.test)) == 5

    (fold,) = split("interpolation", Request(make_system((10, 20, 30, 40), minutes=1)))
    assert len(user_counts(fold.test)) == 1


def test_named_loads_are_held_out() -> None:
    for name in ("interpolation", "extrapolation"):
        (fold,) = split(name, Request(campaign(), user_counts=(30, 40)))
        assert user_counts(fold.test) == {30, 40}
        assert fold.label == "30, 40 users held out"
    folds = split("leave-one-load-out", Request(campaign(), user_counts=(30, 40)))
    assert [user_counts(fold.test) for fold in folds] == [{30}, {40}]


def test_extrapolation_holds_the_highest_loads_out() -> None:
    (fold,) = split("extrapolation", Request(campaign()))
    assert user_counts(fold.test) == {90, 100}

    (fold,) = split("extrapolation", Request(campaign(), count=4))
    assert user_counts(fold.test) == {70, 80, 90, 100}


def test_extrapolation_asks_a_second_campaign_and_not_what_it_shares() -> None:
    shared = campaign().measurements.iloc[:7]
    second = Campaign(pd.concat([another().measurements, shared], ignore_index=True))

    (fold,) = split("extrapolation", Request(campaign(), second))

    assert len(fold.train.measurements) == len(campaign().measurements)
    assert len(fold.test) == len(another().measurements)
    assert fold.label.endswith("7 rows that both have are left out")


def test_merged_holds_the_last_fifth_of_each_load_out() -> None:
    (fold,) = split("merged", Request(campaign(), another()))

    both = pd.concat([fold.train.measurements, fold.test])
    assert user_counts(both) == {*USER_COUNTS, 200, 300}
    for _, rows in both.groupby([SERVICE, USER_COUNT]):
        asked = rows[rows[TIMESTAMP].isin(fold.test[TIMESTAMP])]
        assert len(rows) == 5
        assert asked[TIMESTAMP].tolist() == [rows[TIMESTAMP].max()]


def test_stratified_has_each_class_in_both_parts_in_proportion() -> None:
    rows = make_system(USER_COUNTS, minutes=20).measurements
    used = np.tile([0.1, 0.5, 0.9, 0.1], len(rows) // 4)  # of the request: good, danger, bottleneck, good
    rows[CPU_USAGE] = used * rows[CPU_REQUEST] * rows[REPLICAS]

    (fold,) = split("stratified", Request(Campaign(rows)))

    assert len(fold.test) == len(rows) / 5
    for service in SHOP:
        shares = []
        for part in (fold.train.measurements, fold.test):
            own = part[part[SERVICE] == service]
            shares.append(pd.Series(class_of(own)).value_counts(normalize=True))
        pd.testing.assert_series_equal(shares[0], shares[1], atol=0.03, check_like=True)
        assert set(shares[0].index) == {"good", "danger", "bottleneck"}


def test_each_load_is_left_out_once() -> None:
    folds = split("leave-one-load-out", Request(campaign()))

    assert [user_counts(fold.test) for fold in folds] == [{count} for count in USER_COUNTS]


def test_replicas_are_asked_for_that_no_learned_row_of_the_service_has() -> None:
    folds = split("unseen-replicas", Request(campaign()))

    assert [fold.label for fold in folds] == ["frontend x2", "frontend x3"]
    for fold, count in zip(folds, (2, 3), strict=True):
        learned = fold.train.measurements
        assert set(fold.test[SERVICE]) == {"frontend"}
        assert set(fold.test[REPLICAS]) == {count}
        assert count not in set(learned[learned[SERVICE] == "frontend"][REPLICAS])
        assert not set(learned[TIMESTAMP]) & set(
            fold.test[TIMESTAMP]
        )  # nor anyone else's rows of these minutes


def test_few_loads_keeps_a_few_spread_ones() -> None:
    (fold,) = split("few-loads", Request(campaign(), count=3))
    assert user_counts(fold.train.measurements) == {10, 50, 100}

    (fold,) = split("few-loads", Request(campaign(), user_counts=(20, 90)))
    assert user_counts(fold.train.measurements) == {20, 90}


def test_services_that_were_scaled_together_are_one_fold() -> None:
    rows = campaign().measurements
    together = rows[SERVICE].isin(["frontend", "cart"]) & (rows[USER_COUNT] > 50)
    scaled = Campaign(rows.assign(**{REPLICAS: np.where(together, 3, 2)}))

    folds = split("unseen-replicas", Request(scaled))

    assert [fold.label for fold in folds] == ["cart x2, frontend x2", "cart x3, frontend x3"]
    for fold in folds:
        assert set(fold.test[SERVICE]) == {"cart", "frontend"}
        learned = fold.train.measurements
        for service, own in fold.test.groupby(SERVICE):
            assert not set(own[REPLICAS]) & set(learned[learned[SERVICE] == service][REPLICAS])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nosuch", {}, "'nosuch' is no split; name one of interpolation"),
        ("merged", {}, "needs a second campaign; name it with --test"),
        ("few-loads", {"test": another()}, "few-loads asks for no second campaign; leave --test out"),
        ("unseen-replicas", {"test": another()}, "asks for no second campaign"),
        ("stratified", {"count": 3}, "--count says nothing to the split stratified"),
        ("leave-one-load-out", {"count": 3}, "--count says nothing"),
        ("unseen-replicas", {"user_counts": (50,)}, "--user-counts says nothing"),
        ("extrapolation", {"test": another(), "count": 2}, "--count says nothing to the split extrapolation"),
        ("interpolation", {"count": 1, "user_counts": (50,)}, "--count and --user-counts are given"),
        (
            "extrapolation",
            {"user_counts": (90, 95)},
            "95 users were not measured; measured are 10",
        ),
        ("interpolation", {"user_counts": (50, 100)}, "100 users do not lie between two measured loads"),
    ],
)
def test_what_a_split_would_have_to_ignore_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        split(name, Request(campaign(), **options))


def test_a_campaign_that_is_too_small_is_told_what_it_lacks() -> None:
    one_load = make_system((50,), minutes=2)
    needs = {"interpolation": 3, "extrapolation": 2, "leave-one-load-out": 2, "few-loads": 3}
    for name, loads in needs.items():
        with pytest.raises(InputError, match=f"{name} needs {loads} user counts, and there are 1"):
            split(name, Request(one_load))
    with pytest.raises(InputError, match="needs 12 user counts, and there are 10"):
        split("interpolation", Request(campaign(), count=10))
    with pytest.raises(InputError, match="no service was measured with several numbers of replicas"):
        split("unseen-replicas", Request(one_load))
    bare = replace(one_load, measurements=one_load.measurements.drop(columns=REPLICAS))
    with pytest.raises(InputError, match="no Replicas"):
        split("unseen-replicas", Request(bare))
    with pytest.raises(InputError, match="fewer than five rows"):
        split("stratified", Request(one_load))
    with pytest.raises(InputError, match="nothing is left to learn"):
        split("extrapolation", Request(campaign(), user_counts=USER_COUNTS))


def test_a_campaign_is_not_asked_for_itself() -> None:
    with pytest.raises(InputError, match="all rows of the second campaign are in the first"):
        split("extrapolation", Request(campaign(), campaign()))


def test_a_fold_with_a_row_in_both_parts_cannot_be_made() -> None:
    learned = campaign()

    with pytest.raises(ValueError, match="1 rows are to be learned and asked for"):
        Fold("leaky", learned, learned.measurements.iloc[[3]])
