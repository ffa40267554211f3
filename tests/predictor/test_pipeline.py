"""The laws of the pipeline: nothing of the future and nothing of the test rows gets into what is learned."""

import math
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler

from kpp.errors import ConfigError
from kpp.predictor.pipeline import PerformancesDataPipeline, PipelineResult, PipelineSettings
from kpp.predictor.preparation.outliers import OutlierRule
from kpp.predictor.preparation.windows import ServiceDataset, Windows
from kpp.schema import RESPONSE_TIME, SERVICE, THROUGHPUT, TIMESTAMP, USER_COUNT
from tests.measurements import as_table, make_measurements
from tests.predictor.tables import COLUMNS, MAX_GAP_STEPS, minute_of, tables, walk

EVERY_SERVICE = PipelineSettings(max_gap_steps=MAX_GAP_STEPS, min_fit_windows=0)
UNCLIPPED = PipelineSettings(
    max_gap_steps=MAX_GAP_STEPS, min_fit_windows=0, outliers=OutlierRule(deviations=math.inf)
)
CELLS = st.one_of(st.just(math.nan), st.floats(0, 1e9))
ROWS = st.tuples(CELLS, CELLS, CELLS).filter(lambda row: not all(map(math.isnan, row)))


def run(frame: pd.DataFrame, options: PipelineSettings | None = None) -> PipelineResult:
    return PerformancesDataPipeline(options).run(as_table(frame))


def parts_of(dataset: ServiceDataset) -> dict[str, Windows]:
    return {"fit": dataset.fit, "validation": dataset.validation, "test": dataset.test}


def assert_same_bits(first: Windows, second: Windows) -> None:
    for name in ("inputs", "targets", "observed", "last_observed", "timestamps", "user_counts"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_rows_at_one_minute_of_two_experiments() -> None:
    frame = make_measurements(user_counts=(10, 20), samples=10, pause_minutes=0)
    frame[TIMESTAMP] += 40 * (frame.index == 9)  # the last minute of one load, the first of the next
    report = run(frame, EVERY_SERVICE).reports["frontend"]
    assert (report.minutes, report.experiments) == (20, 2)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_windows_mix_neither_experiments_nor_parts_nor_times(frame: pd.DataFrame) -> None:
    """Each value is the number of its minute, so that inputs tell the minutes that they are from."""
    minutes = frame[TIMESTAMP].map(minute_of)
    origin = minutes.min() - 1
    for column in COLUMNS:
        frame[column] = (minutes - origin).where(frame[column].notna()).astype(float)
    pipeline = PerformancesDataPipeline(UNCLIPPED)
    for service, dataset in pipeline.run(as_table(frame)).datasets.items():
        segments = walk(frame, service)
        known = dataset.scaling.maxima[1:] > 0  # a column without any training value is 0
        for part, windows in parts_of(dataset).items():
            ends = windows.timestamps // 60
            assert {segments[end][0] for end in ends.tolist()} <= {part}
            starts = np.array([segments[end][1] for end in ends.tolist()])
            history = pipeline.inverse_transform(service, windows.inputs[:, :, 1:].reshape(-1, 3))
            history = history.reshape(-1, 5, 3)[:, :, known] + origin
            assert (history >= starts[:, None, None] - 0.01).all()
            assert (history <= ends[:, None, None] - 1 + 0.01).all()
            assert (np.diff(history, axis=1) >= -0.01).all()
            own_users = windows.user_counts[:, None] - dataset.scaling.minima[0]
            assert np.allclose(windows.inputs[:, :, 0], own_users * dataset.scaling.scale[0], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(tables(), ROWS, st.randoms(use_true_random=False))
def test_no_value_of_a_test_row_reaches_what_is_learned(
    frame: pd.DataFrame, values: tuple[float, float, float], random: Random
) -> None:
    services = {service: walk(frame, service) for service in frame[SERVICE].unique()}
    minutes = frame[TIMESTAMP].map(minute_of).tolist()
    parts = [services[service][minute][0] for service, minute in zip(frame[SERVICE], minutes, strict=True)]
    test_rows = [number for number, part in enumerate(parts) if part == "test"]
    assume(test_rows)
    changed = random.choice(test_rows)
    before = run(frame, EVERY_SERVICE).datasets
    frame.loc[changed, COLUMNS] = list(values)
    after = run(frame, EVERY_SERVICE).datasets
    for service in before.keys() & after.keys():  # without a window to test a service has no data set
        old, new = before[service], after[service]
        assert old.scaling.scale.tobytes() == new.scaling.scale.tobytes()
        assert old.scaling.offset.tobytes() == new.scaling.offset.tobytes()
        assert_same_bits(old.fit, new.fit)
        assert_same_bits(old.validation, new.validation)
        assert str(old.train_means) == str(new.train_means)
        old_inputs, new_inputs = (
            {at: inputs.tobytes() for at, inputs in zip(windows.timestamps, windows.inputs, strict=True)}
            for windows in (old.test, new.test)
        )
        until_then = [at for at in old_inputs.keys() & new_inputs.keys() if at <= minutes[changed] * 60]
        assert [at for at in until_then if old_inputs[at] != new_inputs[at]] == []


@settings(max_examples=60, deadline=None)
@given(tables())
def test_the_inverse_transform_restores_what_was_measured(frame: pd.DataFrame) -> None:
    pipeline = PerformancesDataPipeline(UNCLIPPED)
    for service, dataset in pipeline.run(as_table(frame)).datasets.items():
        own = frame[frame[SERVICE] == service]
        measured = {minute_of(row[0]) * 60: row[1:] for row in own[[TIMESTAMP, *COLUMNS]].to_numpy()}
        never = dataset.scaling.maxima[1:] == 0
        for windows in parts_of(dataset).values():
            expected = np.array([measured[at] for at in windows.timestamps.tolist()]).reshape(-1, 3)
            expected[:, never] = np.nan
            np.testing.assert_array_equal(windows.observed, expected)
            restored = pipeline.inverse_transform(service, windows.targets)
            tolerance = 1e-6 * (np.nanmax(np.abs(own[COLUMNS].to_numpy())) + 1)
            np.testing.assert_allclose(restored, expected, rtol=1e-5, atol=tolerance)
            assert np.isfinite(windows.inputs).all()
            assert (~np.isnan(windows.targets)).any(axis=1).all()


@settings(max_examples=20, deadline=None)
@given(st.lists(tables(), min_size=2, max_size=4))
def test_services_together_come_out_as_each_of_them_alone(frames: list[pd.DataFrame]) -> None:
    """All are prepared in one go: nothing may reach from one into its neighbors."""
    frames = [frame.assign(**{SERVICE: f"{n}" + frame[SERVICE]}) for n, frame in enumerate(frames)]
    together = run(pd.concat(frames, ignore_index=True), EVERY_SERVICE)
    for frame in frames:
        for service in frame[SERVICE].unique():
            alone = run(frame[frame[SERVICE] == service], EVERY_SERVICE)
            assert together.reports[service] == alone.reports[service]
            assert together.verdicts.get(service) == alone.verdicts.get(service)
            if service in alone.datasets:
                own, other = alone.datasets[service], together.datasets[service]
                for part, windows in parts_of(own).items():
                    assert_same_bits(windows, parts_of(other)[part])
                assert own.digest == other.digest
                assert own.scaling.minima.tobytes() == other.scaling.minima.tobytes()
                assert own.scaling.maxima.tobytes() == other.scaling.maxima.tobytes()
                assert list(own.train_means) == list(other.train_means)
                means, others = np.array([*own.train_means.values()]), np.array([*other.train_means.values()])
                np.testing.assert_allclose(means, others, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(tables())
def test_scale_and_means_are_those_of_the_training_rows(frame: pd.DataFrame) -> None:
    """Against a scaler of scikit-learn and means of pandas, for one service after the other."""
    pipeline = PerformancesDataPipeline(UNCLIPPED)
    for service, dataset in pipeline.run(as_table(frame)).datasets.items():
        walked = walk(frame, service)
        own = frame[frame[SERVICE] == service]
        training = own[[walked[minute_of(at)][0] != "test" for at in own[TIMESTAMP]]]
        features = training[[USER_COUNT, *COLUMNS]]
        expected = MinMaxScaler().fit(
            features.fillna(dict.fromkeys(features.columns[features.isna().all()], 0))
        )
        scaler = pipeline.scalers[service]
        assert isinstance(scaler, MinMaxScaler)
        np.testing.assert_array_equal(scaler.data_min_, expected.data_min_)
        np.testing.assert_array_equal(scaler.data_max_, expected.data_max_)
        np.testing.assert_array_equal(scaler.scale_, expected.scale_)
        means = training.groupby(USER_COUNT)[COLUMNS].mean()
        assert list(dataset.train_means) == means.index.tolist()
        np.testing.assert_allclose([*dataset.train_means.values()], means, rtol=1e-12)


def test_the_parts_of_a_plain_campaign() -> None:
    """Of 21 rows 12 fit, 4 validate and 5 test; the first of each part is no target."""
    dataset = run(make_measurements(user_counts=(10, 20, 30))).datasets["frontend"]
    assert [len(windows) for windows in parts_of(dataset).values()] == [3 * 11, 3 * 3, 3 * 4]
    assert dataset.fit.inputs.shape == (33, 5, 4)
    assert dataset.fit.inputs.dtype == dataset.fit.targets.dtype == np.float32


def test_a_short_history_repeats_the_first_minute_of_its_segment() -> None:
    frame = make_measurements(user_counts=(10,))
    pipeline = PerformancesDataPipeline()
    dataset = pipeline.run(as_table(frame)).datasets["frontend"]
    test_minutes = frame[COLUMNS].to_numpy()[16:]
    first, third = (pipeline.inverse_transform("frontend", dataset.test.inputs[n, :, 1:]) for n in (0, 2))
    np.testing.assert_allclose(first, test_minutes[[0, 0, 0, 0, 0]], rtol=1e-5)
    np.testing.assert_allclose(third, test_minutes[[0, 0, 0, 1, 2]], rtol=1e-5)
    np.testing.assert_array_equal(dataset.test.observed, test_minutes[1:])
    np.testing.assert_array_equal(dataset.test.last_observed, test_minutes[:-1])


def test_the_training_means_are_those_of_the_training_rows() -> None:
    frame = make_measurements(user_counts=(10, 20))
    frame.loc[3, RESPONSE_TIME] = np.nan
    frame.loc[4, RESPONSE_TIME] = 50.0  # clipped for learning, but measured
    means = run(frame).datasets["frontend"].train_means
    for number, user_count in enumerate((10.0, 20.0)):
        training = frame.iloc[21 * number : 21 * number + 16]
        np.testing.assert_allclose(means[user_count], training[COLUMNS].mean().to_numpy(), rtol=1e-12)


def test_rows_of_one_minute_are_averaged() -> None:
    frame = make_measurements(user_counts=(10,))
    again = frame.assign(**{THROUGHPUT: frame[THROUGHPUT] + 2, TIMESTAMP: frame[TIMESTAMP] + 20})
    once, twice = run(frame), run(pd.concat([frame, again]))
    assert twice.reports["frontend"].minutes == 21
    np.testing.assert_allclose(
        twice.datasets["frontend"].test.observed[:, 1], once.datasets["frontend"].test.observed[:, 1] + 1
    )


def test_the_order_of_the_rows_makes_no_difference() -> None:
    frame = pd.concat([make_measurements(["a", "b"], seed=seed) for seed in range(3)], ignore_index=True)
    once, again = run(frame), run(frame.sample(frac=1, random_state=1))
    for service, dataset in once.datasets.items():
        assert again.datasets[service].digest == dataset.digest
        assert_same_bits(again.datasets[service].fit, dataset.fit)


def test_the_digest_tells_tables_apart() -> None:
    frame = make_measurements()
    digests = {run(frame).datasets["frontend"].digest}
    for column in (*COLUMNS, USER_COUNT, TIMESTAMP):
        other = frame.assign(**{column: frame[column] + 60 * (frame.index == 20)})
        digests.add(run(other).datasets["frontend"].digest)
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {64}


def test_services_do_not_touch_each_other() -> None:
    alone = run(make_measurements(["a"])).datasets["a"]
    beside = make_measurements(["a"])
    other = make_measurements(["b"], user_counts=(500,), seed=5)
    assert_same_bits(run(pd.concat([beside, other])).datasets["a"].fit, alone.fit)


@pytest.mark.parametrize(
    "options", [{"lookback_steps": 0}, {"max_gap_steps": -1}, {"train_share": 1.0}, {"train_share": 0.0}]
)
def test_settings_that_make_no_windows_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="train_share between 0 and 1"):
        PipelineSettings(**options)  # type: ignore[arg-type]  # wrong ones, too
