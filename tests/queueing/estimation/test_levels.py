import numpy as np
import pandas as pd
import pytest

from kpp.errors import InputError
from kpp.queueing.estimation.levels import arrange_levels
from kpp.schema import CPU_LIMIT, CPU_USAGE, REPLICAS, RESPONSE_TIME, SERVICE, THROUGHPUT, USER_COUNT
from tests.queueing.closed_systems import THREE_TIERS, Chain, Tier


def rows() -> pd.DataFrame:
    return Chain(THREE_TIERS, minutes=5).measure([10, 20, 30])


def test_each_user_count_is_a_level_and_services_are_sorted() -> None:
    levels = arrange_levels(rows())

    assert levels.services == ("app", "database", "web")
    np.testing.assert_array_equal(levels.user_count, [10, 20, 30])
    np.testing.assert_array_equal(levels.minutes, [5, 5, 5])


def test_another_scale_is_another_level() -> None:
    frame = rows()
    later = frame.groupby(SERVICE).cumcount() % 5 >= 3
    frame.loc[later & (frame[SERVICE] == "web"), REPLICAS] = 2.0

    levels = arrange_levels(frame)

    np.testing.assert_array_equal(levels.user_count, [10, 10, 20, 20, 30, 30])
    np.testing.assert_array_equal(levels.replicas[:, 2], [1, 2, 1, 2, 1, 2])
    np.testing.assert_array_equal(levels.minutes, [3, 2, 3, 2, 3, 2])


def test_a_level_is_the_mean_of_its_minutes() -> None:
    frame = rows()

    levels = arrange_levels(frame)

    at = frame[(frame[USER_COUNT] == 20) & (frame[SERVICE] == "app")]
    assert levels.throughput[1, 0] == pytest.approx(at[THROUGHPUT].mean())
    assert levels.cpu[1, 0] == pytest.approx(at[CPU_USAGE].mean())
    weighted = np.average(at[RESPONSE_TIME], weights=at[THROUGHPUT])
    assert levels.response_time[1, 0] == pytest.approx(weighted)


def test_one_slow_request_does_not_make_a_level_slow() -> None:
    frame = rows()
    usual = arrange_levels(frame).response_time[0, 0]
    slow = frame.index[(frame[SERVICE] == "app")][0]
    frame.loc[slow, RESPONSE_TIME] = 7.0

    assert arrange_levels(frame).response_time[0, 0] < 2 * usual


def test_the_typical_time_errs_least_relative_to_the_minutes() -> None:
    frame = rows()
    values = np.array([0.001, 0.002, 0.004, 0.008, 0.016])
    at = frame.index[(frame[USER_COUNT] == 20) & (frame[SERVICE] == "app")]
    frame.loc[at, RESPONSE_TIME] = values

    typical = arrange_levels(frame).typical_response_time[1, 0]

    candidates = np.linspace(0.0005, 0.02, 2000)
    errors = np.abs(candidates[:, None] / values - 1).mean(axis=1)
    assert np.abs(typical / values - 1).mean() <= errors.min() + 1e-9


def test_limits_by_hand_fill_in_what_the_table_lacks() -> None:
    frame = rows()
    frame.loc[frame[SERVICE] != "web", CPU_LIMIT] = np.nan

    levels = arrange_levels(frame, {"app": 0.3, "web": 9.0, "stranger": 1.0})

    np.testing.assert_array_equal(levels.cpu_limit[0], [0.3, np.nan, 1.0])
    np.testing.assert_array_equal(levels.limit_recorded, [True, False, True])


def test_what_was_not_measured_is_nan_and_replicas_are_one() -> None:
    frame = rows().drop(columns=[REPLICAS])
    frame.loc[frame[SERVICE] == "app", CPU_USAGE] = np.nan
    frame = frame[(frame[SERVICE] != "web") | (frame[USER_COUNT] != 20)]

    levels = arrange_levels(frame)

    assert np.isnan(levels.cpu[:, 0]).all()
    assert np.isnan(levels.throughput[1, 2])
    assert (levels.replicas == 1).all()
    assert not levels.replicas_recorded.any()


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="no measurement"):
        arrange_levels(rows().iloc[:0])


def test_replicas_that_are_not_recorded_are_as_many_as_the_limit_asks_for() -> None:
    chain = Chain((Tier("web", 0.002, 0.002, limit_cores=0.5, replicas=3),), 1.0, noise=0.0)
    light, heavy = chain.measure([10, 20]), chain.measure([10, 500])

    assert arrange_levels(light.drop(columns=REPLICAS)).replicas.max() == 1
    assert arrange_levels(heavy.drop(columns=REPLICAS)).replicas.max() == 2  # some 0.96 cores
    assert arrange_levels(heavy).replicas.max() == 3


def test_no_pod_at_all_counts_as_not_known() -> None:
    rows = Chain(THREE_TIERS, 1.0).measure([10, 20])
    rows[REPLICAS] = rows[REPLICAS].where(rows[USER_COUNT] > 10, 0.0)

    assert arrange_levels(rows).replicas.min() == 1
