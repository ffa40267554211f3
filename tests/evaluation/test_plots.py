import io
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kpp.evaluation.lines import line_styles
from kpp.evaluation.pictures import ServicePicture, largest, picture_trial
from kpp.evaluation.plots import draw
from kpp.evaluation.predicted_pictures import picture_predictions, title_predictions
from kpp.evaluation.request import Request
from kpp.evaluation.splits import split
from kpp.evaluation.trial import Trial, try_models
from kpp.schema import CPU_USAGE, REPLICAS, RESPONSE_TIME, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.model import UNSUPPORTED, Campaign
from kpp.whatif.registry import make_model
from tests.whatif.systems import SHOP, make_system


def trial(split_name: str = "extrapolation") -> Trial:
    folds = split(split_name, Request(make_system((10, 20, 30, 40, 50), minutes=3)))
    return try_models(folds, ["nearest", "linear"], 0, 0.9)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved."""
    seen: list[Figure] = []
    save = Figure.savefig

    def record(figure: Figure, *arguments: object, **options: object) -> None:
        seen.append(figure)
        save(figure, *arguments, **options)  # type: ignore[arg-type]  # any options

    monkeypatch.setattr(Figure, "savefig", record)
    return seen


def test_a_line_goes_through_what_was_learned_and_what_was_asked() -> None:
    pictures = picture_trial(trial(), best="linear")

    assert [picture.service for picture in pictures] == sorted(SHOP)
    for picture in pictures:
        assert picture.learned_range == (10.0, 40.0)
        assert set(picture.asked[USER_COUNT]) == {50}
        for line in picture.lines.values():
            assert {10, 20, 30, 40, 50} <= set(line[USER_COUNT])
            assert line[USER_COUNT].is_monotonic_increasing


def test_a_line_has_steps_between_loads_with_the_same_layout_only() -> None:
    campaign = make_system((10, 20, 30, 40, 50), minutes=3)
    rows = campaign.measurements
    rows[REPLICAS] = rows[REPLICAS] + (rows[USER_COUNT] >= 30)
    folds = split("extrapolation", Request(campaign))

    (picture, *_) = picture_trial(try_models(folds, ["linear"], 0, 0.9), best="linear")

    users = picture.lines["linear"][USER_COUNT]
    assert not users.between(20, 30, inclusive="neither").any()
    for start in (10, 30, 40):
        assert users.between(start, start + 10, inclusive="neither").any()


def test_with_several_folds_a_line_is_what_each_load_was_predicted_by_the_others() -> None:
    (picture, *_) = picture_trial(trial("leave-one-load-out"), best="linear")

    assert picture.lines["nearest"][USER_COUNT].tolist() == [10, 20, 30, 40, 50]
    assert picture.learned_range == (10.0, 50.0)


def test_the_panels_show_points_lines_interval_and_the_edge_of_the_data(figures: list[Figure]) -> None:
    picture = picture_trial(trial(), best="linear")[0]

    content = draw([picture], "A title", 0.9)

    assert Image.open(io.BytesIO(content)).size[0] > 1000
    (figure,) = figures
    panels = figure.axes
    assert len(panels) == len(TARGETS)
    for panel, target in zip(panels, TARGETS, strict=True):
        lines = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in panel.lines]
        assert [40.0, 40.0] in lines  # the edge
        assert len([users for users in lines if {10.0, 40.0, 50.0} <= set(users)]) == 2  # one for each model
        top = panel.get_ylim()[1]
        scale = {"Response Time (s)": 1e3, "Throughput (req/s)": 1.0, "CPU Usage": 1e3}[target]
        assert top >= scale * picture.asked[target].median()
        assert panel.get_ylim()[0] == 0
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert {"nearest", "linear", "90 % interval", "training data and edge, 10 to 40 users"} <= set(texts)


def test_a_target_that_was_not_measured_says_so(figures: list[Figure]) -> None:
    campaign = make_system((10, 20, 30, 40), minutes=3)
    campaign.measurements[CPU_USAGE] = np.nan
    folds = split("extrapolation", Request(campaign))
    pictures = picture_trial(try_models(folds, ["linear"], 0, 0.9), best="linear")

    draw(pictures, "A title", 0.9)

    texts = [text.get_text() for text in figures[0].axes[2].texts]
    assert "not measured" in texts


@pytest.mark.parametrize("user_counts", [(80.0,), (30.0, 80.0, 400.0)])
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_predictions_are_drawn_before_what_was_measured(user_counts: tuple[float, ...], suffix: str) -> None:
    model = CalibratedModel.fit(partial(make_model, "linear"), make_system((10, 20, 30, 40), minutes=3))
    scenario = pd.DataFrame(
        [(name, users) for users in user_counts for name in SHOP], columns=[SERVICE, USER_COUNT]
    )

    pictures = picture_predictions(model, model.predict(scenario))

    assert [type(picture) for picture in pictures] == [ServicePicture] * 3
    content = draw(pictures, "A title", 0.9, suffix)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert content.startswith(start)


def test_a_point_far_above_all_others_does_not_flatten_them(figures: list[Figure]) -> None:
    picture = picture_trial(trial(), best="linear")[0]
    rows = pd.concat([picture.learned] * 40, ignore_index=True)
    rows.loc[0, list(TARGETS)] = 1e6

    draw([replace(picture, learned=rows)], "A title", 0.9)

    for panel in figures[0].axes:
        assert panel.get_ylim()[1] < 1e5
        assert [text.get_text() for text in panel.texts] == ["1 point above the axis"]


def test_values_over_decades_are_on_a_logarithmic_axis(figures: list[Figure]) -> None:
    picture = picture_trial(trial(), best="linear")[0]
    slow = picture.asked.assign(**{RESPONSE_TIME: picture.asked[RESPONSE_TIME] * 100})

    draw([replace(picture, asked=slow)], "A title", 0.9)

    assert [panel.get_yscale() for panel in figures[0].axes] == ["log", "linear", "linear"]


def test_verdicts_are_shades_and_each_variant_of_a_load_has_a_line(figures: list[Figure]) -> None:
    model = CalibratedModel.fit(partial(make_model, "linear"), make_system((10, 20, 30, 40), minutes=3))
    asked = [("frontend", users, count) for count in (2, 4) for users in (30.0, 60.0, 900.0)]
    predictions = model.predict(pd.DataFrame(asked, columns=[SERVICE, USER_COUNT, REPLICAS]))

    (picture,) = picture_predictions(model, predictions)
    draw([picture], "A title", 0.9)

    assert list(picture.lines) == ["linear: frontend x2", "linear: frontend x4"]
    assert picture.lines["linear: frontend x4"][USER_COUNT].tolist() == [30, 60, 900]
    assert set(picture.verdicts) == {30.0, 60.0, 900.0}
    assert picture.verdicts[900.0] == UNSUPPORTED
    texts = {text.get_text() for text in figures[0].legends[0].get_texts()}
    assert {UNSUPPORTED, "linear: frontend x2", "linear: frontend x4"} <= texts


@pytest.mark.parametrize(("users", "left", "right"), [((80.0, 120.0), 40.0, None), ((2.0, 4.0), None, 10.0)])
def test_the_data_have_no_verdict_where_only_other_loads_were_asked_for(
    figures: list[Figure], users: tuple[float, float], left: float | None, right: float | None
) -> None:
    model = CalibratedModel.fit(partial(make_model, "linear"), make_system((10, 20, 30, 40), minutes=3))
    predictions = model.predict(pd.DataFrame({SERVICE: "frontend", USER_COUNT: users}))

    draw(picture_predictions(model, predictions), "A title", 0.9)

    panel = figures[0].axes[0]
    spans = [patch.get_window_extent() for patch in panel.patches]
    least, most = (panel.transData.transform((at, 0))[0] for at in (left or 10.0, right or 40.0))
    if left is not None:
        assert min(span.x0 for span in spans) == pytest.approx(least)
    else:
        assert max(span.x1 for span in spans) == pytest.approx(most)


def test_of_many_services_those_that_use_the_most_are_shown_together() -> None:
    pictures = picture_trial(trial(), best="linear")
    used = {picture.service: picture.asked[CPU_USAGE].mean() for picture in pictures}

    chosen = [picture.service for picture in largest(pictures, 2)]

    assert set(chosen) == set(sorted(used, key=lambda name: used[name])[-2:])
    assert chosen == sorted(chosen)


def test_a_service_that_was_never_learned_is_drawn_too() -> None:
    campaign = make_system((10, 20, 30, 40, 50), minutes=3)
    rows = campaign.measurements
    late = (rows[SERVICE] != "cart") | (rows[USER_COUNT] > 40)
    folds = split("extrapolation", Request(Campaign(rows[late].reset_index(drop=True))))
    pictures = picture_trial(try_models(folds, ["nearest"], 0, 0.9), best="nearest")

    assert draw([pictures[0]], "A title", 0.9).startswith(b"\x89PNG")
    assert draw(pictures, "A title", 0.9).startswith(b"\x89PNG")


def test_the_title_tells_the_replicas_that_were_asked_for() -> None:
    asked = pd.DataFrame({SERVICE: ["ad", "frontend"] * 2, USER_COUNT: [10, 10, 20, 20]})
    assert title_predictions("hybrid", asked) == "predicted by hybrid"

    assert title_predictions("hybrid", asked.assign(**{REPLICAS: [np.nan, 2, np.nan, 2]})) == (
        "predicted by hybrid, with frontend x2"
    )
    assert title_predictions("hybrid", asked.assign(**{REPLICAS: [np.nan, 2, np.nan, 3]})) == (
        "predicted by hybrid"
    )


def test_rings_are_explained_where_there_are_some(figures: list[Figure]) -> None:
    picture = picture_trial(trial(), best="linear")[0]
    many = pd.concat([picture.asked.assign(**{USER_COUNT: users}) for users in range(50, 70)])

    draw([picture], "A title", 0.9)
    draw([replace(picture, asked=many)], "A title", 0.9)

    few, none = ([text.get_text() for text in figure.legends[0].get_texts()] for figure in figures)
    assert "measured, held out; ringed: median" in few
    assert "measured, held out" in none


def test_no_label_of_an_axis_is_cut_off(figures: list[Figure]) -> None:
    picture = picture_trial(trial(), best="linear")[0]
    far = picture.asked.assign(**{RESPONSE_TIME: 40.0})  # 40,000 ms, on a logarithmic axis
    long = picture.lines["linear"].assign(
        **{RESPONSE_TIME: np.geomspace(0.01, 40, len(picture.lines["linear"]))}
    )

    draw([replace(picture, asked=far, lines={"linear": long})], "A title", 0.9)

    (figure,) = figures
    for label in figure.axes[0].yaxis.get_ticklabels():
        assert label.get_window_extent().x0 >= 0, label.get_text()


def test_a_layout_that_returns_has_a_line_and_a_number_of_its_own(figures: list[Figure]) -> None:
    campaign = make_system((10, 20, 30, 40, 50, 60, 70, 80), minutes=3)
    rows = campaign.measurements
    doubled = rows[USER_COUNT].isin([60, 80]) & (rows[SERVICE] == "cart")
    rows[REPLICAS] = rows[REPLICAS] + doubled
    fold, *_ = split("extrapolation", Request(campaign, count=4))

    pictures = picture_trial(try_models([fold], ["nearest", "queueing"], 0, 0.9), best="queueing")
    draw(pictures, "A title", 0.9)

    cart = next(picture for picture in pictures if picture.service == "cart")
    assert list(cart.branches.values()) == ["as learned", "cart x2"]
    line = cart.lines["queueing"]
    loads = {branch: set(own[USER_COUNT]) for branch, own in line.groupby("Branch")}
    assert {10, 20, 30, 40, 50, 70} <= loads[1]
    assert {60, 80} <= loads[2] <= set(range(60, 81))
    (figure,) = figures
    texts = [text.get_text() for text in figure.texts]
    assert "a line for each layout: 1 as learned; 2 cart x2" in texts
    panels = dict(zip([(p.service, t) for p in pictures for t in TARGETS], figure.axes, strict=True))
    cpu = panels["cart", CPU_USAGE]  # twice the background: the lines lie apart
    assert sorted(text.get_text() for text in cpu.texts) == ["1", "2"]
    thick = [each for each in cpu.lines if each.get_linewidth() > 2]
    assert len(thick) == 2


def test_layouts_that_change_at_random_are_one_line() -> None:
    campaign = make_system(range(10, 130, 10), minutes=3)
    rows = campaign.measurements
    rows[REPLICAS] = rows[REPLICAS] + (rows[USER_COUNT] // 10 * 7 % 6).where(rows[USER_COUNT] < 120, 0)
    fold, *_ = split("extrapolation", Request(campaign, count=4))

    (picture, *_) = picture_trial(try_models([fold], ["linear"], 0, 0.9), best="linear")

    assert picture.branches == {}
    assert set(picture.lines["linear"]["Branch"]) == {0}


def test_a_model_has_the_same_color_whichever_are_compared() -> None:
    fold, *_ = split("extrapolation", Request(make_system((10, 20, 30, 40, 50), minutes=3)))
    styles = []
    for names in (["linear", "hybrid"], ["nearest", "linear", "usl", "hybrid"]):
        (picture, *_) = picture_trial(try_models([fold], names, 0, 0.9), best="hybrid")
        styles.append({name: (color, style) for name, color, style in line_styles(picture)})
    assert styles[0]["linear"] == styles[1]["linear"]
    assert len(set(styles[1].values())) == 4
