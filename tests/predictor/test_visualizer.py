import dataclasses
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kpp.errors import ConfigError
from kpp.predictor.model import PerformancesGRU
from kpp.predictor.pipeline import PerformancesDataPipeline
from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.scores import compare
from kpp.predictor.trained_model import TrainedModel
from kpp.predictor.visualizer import PlotData, Timeline, draw_service, find_limits, plot_service
from kpp.schema import RESPONSE_TIME, TARGETS
from tests.measurements import as_table, make_measurements


@pytest.fixture(scope="module")
def dataset() -> ServiceDataset:
    """Three experiments of 30 minutes, at 10, 20 and 30 users; each has 5 minutes to test."""
    rows = make_measurements(samples=30)
    return PerformancesDataPipeline().run(as_table(rows)).datasets["frontend"]


def make_model(dataset: ServiceDataset) -> TrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return TrainedModel(dataset.service, PerformancesGRU(), dataset.scaling, lookback_steps=5)


def draw(dataset: ServiceDataset) -> Figure:
    model = make_model(dataset)
    scores, _ = compare(dataset, model.predict_scaled(dataset.test.inputs))
    return draw_service(PlotData.of(model, dataset, scores))


def panels_of(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_ylabel() != "users"]


def line_of(panel: Axes, label: str) -> np.ndarray:
    (line,) = [line for line in panel.get_lines() if line.get_label() == label]
    return np.asarray(line.get_ydata(), dtype=float)


def replace_observed(dataset: ServiceDataset, observed: np.ndarray) -> ServiceDataset:
    return dataclasses.replace(dataset, test=dataclasses.replace(dataset.test, observed=observed))


def test_each_target_has_a_panel_in_its_own_unit_with_its_score(dataset: ServiceDataset) -> None:
    panels = panels_of(draw(dataset))

    scores, _ = compare(dataset, make_model(dataset).predict_scaled(dataset.test.inputs))
    assert [panel.get_ylabel() for panel in panels] == ["ms", "req/s", "millicores"]
    for panel, target, title in zip(
        panels, TARGETS, ("Response time", "Throughput", "CPU usage"), strict=True
    ):
        assert panel.get_title(loc="left").startswith(f"{title}: MAPE ")
        mape = scores[target].model.mape
        assert mape is not None
        shown = float(panel.get_title(loc="left").split("MAPE ")[1].split(" %")[0])
        assert shown == pytest.approx(100 * mape, rel=0.01)


def test_the_lines_are_what_was_observed_and_what_the_model_predicts(dataset: ServiceDataset) -> None:
    panels = panels_of(draw(dataset))

    factors = np.array([1000.0, 1.0, 1000.0])
    observed = dataset.test.observed * factors
    minima, maxima = dataset.scaling.minima[1:], dataset.scaling.maxima[1:]
    outputs = make_model(dataset).network(torch.from_numpy(dataset.test.inputs)).detach().numpy()
    predicted = (minima + outputs * (maxima - minima)).clip(min=0) * factors
    for column, panel in enumerate(panels):
        for label, values in (("observed", observed), ("predicted", predicted)):
            drawn = line_of(panel, label)
            np.testing.assert_allclose(drawn[np.isfinite(drawn)], values[:, column], rtol=1e-4)


def test_lines_break_between_experiments_and_the_user_count_is_named(dataset: ServiceDataset) -> None:
    figure = draw(dataset)

    drawn = line_of(panels_of(figure)[0], "observed")
    assert np.isnan(drawn).sum() == 2  # between three experiments
    labels = [label.get_text() for label in panels_of(figure)[-1].get_xticklabels()]
    assert labels == ["10", "20", "30"]


def test_rows_are_drawn_in_order_of_time(dataset: ServiceDataset) -> None:
    backwards = np.arange(len(dataset.test))[::-1]
    test = dataset.test
    shuffled = dataclasses.replace(
        dataset,
        test=test.select(backwards),
    )

    straight, turned = draw(dataset), draw(shuffled)

    for one, other in zip(panels_of(straight), panels_of(turned), strict=True):
        np.testing.assert_allclose(line_of(one, "observed"), line_of(other, "observed"))


def test_an_outlier_is_cut_and_named_and_the_rest_stays_readable(dataset: ServiceDataset) -> None:
    longer = PerformancesDataPipeline().run(as_table(make_measurements(samples=300))).datasets["frontend"]
    observed = longer.test.observed.copy()
    usual = observed[:, 0].max()
    observed[40, 0] = 6.8

    panel = panels_of(draw(replace_observed(longer, observed)))[0]

    assert panel.get_ylim()[1] < 2000 * usual
    assert panel.get_title(loc="right") == "▲ 1 above the axis, up to 6800 ms"


def test_without_outliers_nothing_is_cut(dataset: ServiceDataset) -> None:
    for panel in panels_of(draw(dataset)):
        assert panel.get_title(loc="right") == ""
        drawn = np.concatenate([line_of(panel, "observed"), line_of(panel, "predicted")])
        low, high = panel.get_ylim()
        assert low <= np.nanmin(drawn)
        assert np.nanmax(drawn) <= high


@given(hnp.arrays(np.float64, st.integers(0, 120), elements=st.floats(0, 1e4) | st.just(np.nan)))
def test_limits_leave_out_only_a_few_high_values(values: np.ndarray) -> None:
    limits = find_limits(values)

    if limits is not None:
        low, high = limits
        known = values[np.isfinite(values)]
        assert low <= known.min()
        assert (known > high).sum() <= 0.03 * len(known)
        assert known.max() > high


def test_a_timeline_keeps_a_short_gap_together_and_parts_experiments() -> None:
    minutes = np.array([0, 1, 4, 30, 31, 32]) * 60
    user_counts = np.array([10.0, 10, 10, 10, 10, 20])

    timeline = Timeline.of(minutes, user_counts)

    assert timeline.stretches == (slice(0, 3), slice(3, 5), slice(5, 6))
    assert timeline.places.tolist() == [0, 1, 2, 4, 5, 7]


def test_one_test_row_and_missing_values_can_be_drawn(dataset: ServiceDataset) -> None:
    test = dataset.test
    one = test.select(np.array([0]))
    missing = one.observed.copy()
    missing[:, 2] = np.nan

    figure = draw(dataclasses.replace(dataset, test=dataclasses.replace(one, observed=missing)))

    assert panels_of(figure)[2].get_title(loc="left").startswith("CPU usage: MAPE - %")


def test_many_user_counts_do_not_crowd_the_axis() -> None:
    rows = make_measurements(user_counts=range(1, 121), samples=15)
    crowded = PerformancesDataPipeline().run(as_table(rows)).datasets["frontend"]

    labels = panels_of(draw(crowded))[-1].get_xticklabels()

    assert 10 <= len(labels) <= 26


def test_the_picture_is_a_png_that_fits_a_laptop(dataset: ServiceDataset, tmp_path: Path) -> None:
    path = tmp_path / "frontend_predictions.png"
    model = make_model(dataset)
    scores, _ = compare(dataset, model.predict_scaled(dataset.test.inputs))

    plot_service(path, PlotData.of(model, dataset, scores))

    height, width, _ = matplotlib.image.imread(path).shape
    assert (width, height) == (1300, 900)
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_that_cannot_be_written_to_is_named(dataset: ServiceDataset, tmp_path: Path) -> None:
    model = make_model(dataset)
    scores, _ = compare(dataset, model.predict_scaled(dataset.test.inputs))
    assert scores[RESPONSE_TIME].rows > 0

    with pytest.raises(ConfigError, match=r"nowhere/a\.png: cannot be written"):
        plot_service(tmp_path / "nowhere" / "a.png", PlotData.of(model, dataset, scores))


def test_values_of_several_magnitudes_get_a_logarithmic_axis(dataset: ServiceDataset) -> None:
    """A service that saturates: 20 ms at the first load, 800 ms at the last."""
    observed = dataset.test.observed.copy()
    observed[:, 0] = np.geomspace(0.02, 0.8, len(observed))
    model = make_model(dataset)
    with torch.no_grad():
        model.network.linear.bias[0] += 5  # nothing is predicted as 0, which no logarithmic axis can show
    scores, _ = compare(dataset, observed)

    saturating, steady, _ = panels_of(
        draw_service(PlotData.of(model, replace_observed(dataset, observed), scores))
    )

    assert saturating.get_yscale() == "log"
    assert saturating.get_ylabel() == "ms, logarithmic"
    assert steady.get_yscale() == "linear"
