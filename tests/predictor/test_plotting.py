"""Plots drawn beside the training."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from kpp.errors import ConfigError
from kpp.predictor.plotting import FEW, Plotter
from kpp.predictor.visualizer import PlotData, plot_path
from kpp.schema import TARGETS
from tests.predictor.configs import make_comparison

MANY = FEW + 1


def make_data(service: str) -> PlotData:
    return PlotData(
        service=service,
        timestamps=1_700_000_040 + 60 * np.arange(5),
        user_counts=np.full(5, 10.0),
        observed=np.ones((5, 3)),
        predicted=np.ones((5, 3)),
        scores={target: make_comparison((0.1, 0.1), (0.2, 0.2), (0.3, 0.3)) for target in TARGETS},
    )


@pytest.mark.parametrize("count", [FEW, MANY])
def test_each_plot_is_written_and_told_of(tmp_path: Path, count: int) -> None:
    services = [f"service-{number}" for number in range(count)]
    done: list[str] = []

    with Plotter(tmp_path, count, done.append) as plotter:
        for service in services:
            plotter.draw(make_data(service))
        plotter.finish()

    assert sorted(done) == services
    for service in services:
        assert matplotlib.image.imread(plot_path(tmp_path, service)).shape == (900, 1300, 4)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_folder_that_refuses_is_an_error_here(tmp_path: Path, count: int) -> None:
    with Plotter(tmp_path / "nowhere", count, lambda _: None) as plotter:

        def draw_all() -> None:
            plotter.draw(make_data("frontend"))
            plotter.finish()

        with pytest.raises(ConfigError, match="cannot be written"):
            draw_all()


def test_leaving_early_leaves_no_half_plot_and_waits_for_few(tmp_path: Path) -> None:
    with Plotter(tmp_path, 50, lambda _: None) as plotter:
        for number in range(50):
            plotter.draw(make_data(f"service-{number}"))

    assert {path.suffix for path in tmp_path.iterdir()} <= {".png"}
    assert len([*tmp_path.iterdir()]) < 50
