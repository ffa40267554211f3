import dataclasses
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from kpp import __version__
from kpp.errors import ConfigError, InputError, Interrupted
from kpp.predictor.checkpoints import read_model
from kpp.predictor.main import TrainingResult, train_all
from kpp.predictor.model_config import ModelConfig, read_configs
from kpp.predictor.settings import TrainingSettings
from kpp.schema import CPU_USAGE, RESPONSE_TIME, SERVICE, TARGETS, THROUGHPUT, TIMESTAMP, USER_COUNT
from kpp.table import folders
from tests.measurements import make_measurements, write_measurements

QUICK = TrainingSettings(max_epochs=2)


class Listener:
    """Writes down what it is told; can interrupt once a service is done."""

    def __init__(self, *, interrupt: bool = False) -> None:
        self.services: list[str] = []
        self.kept: list[str] = []
        self.skipped: dict[str, str] = {}
        self.epochs: list[tuple[str, int]] = []
        self.done: list[str] = []
        self.plots: list[str] = []
        self.shares: list[float] = []
        self.groups: list[tuple[int, int]] = []
        self._interrupt = interrupt

    def sorting(self, share: float) -> None:
        self.shares.append(share)

    def group_begins(self, number: int, count: int) -> None:
        self.groups.append((number, count))

    def started(
        self, services: Sequence[str], kept: Sequence[str], skipped: Mapping[str, str], notes: Sequence[str]
    ) -> None:
        self.services, self.kept, self.skipped = [*services], [*kept], {**skipped}

    def epoch_done(self, service: str, epoch: int) -> None:
        self.epochs.append((service, epoch))

    def service_done(self, config: ModelConfig) -> None:
        self.done.append(config.service)
        if self._interrupt:
            raise Interrupted("interrupted", mend="run again")

    def plot_done(self, service: str) -> None:
        self.plots.append(service)


def train(
    rows: pd.DataFrame,
    folder: Path,
    settings: TrainingSettings = QUICK,
    listener: Listener | None = None,
    *,
    fresh: bool = False,
) -> TrainingResult:
    folder.mkdir(exist_ok=True)
    file = write_measurements(rows, folder / "rows.csv")
    observer = listener or Listener()
    return train_all([file], folder / "models", folder / "plots", settings, observer, fresh=fresh)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def weights_of(result: TrainingResult) -> dict[str, str]:
    return {config.service: config.weights_digest for config in result.trained}


def test_each_service_gets_weights_a_config_and_a_plot(tmp_path: Path) -> None:
    listener = Listener()

    result = train(make_measurements(("cart", "frontend")), tmp_path, listener=listener)

    assert names_in(tmp_path / "models") == [
        "config_cart.json",
        "config_frontend.json",
        "gru_cart.pth",
        "gru_frontend.pth",
    ]
    assert names_in(tmp_path / "plots") == ["cart_predictions.png", "frontend_predictions.png"]
    assert [*result.trained] == read_configs(tmp_path / "models")
    assert listener.services == sorted(listener.done) == sorted(listener.plots) == ["cart", "frontend"]
    assert sorted(listener.epochs) == [("cart", 1), ("cart", 2), ("frontend", 1), ("frontend", 2)]
    assert result.skipped == listener.skipped == {}
    assert result.kept == ()


def test_the_config_tells_how_the_model_came_about(tmp_path: Path) -> None:
    (config,) = train(make_measurements(samples=25), tmp_path, TrainingSettings(max_epochs=2, seed=9)).trained

    assert config.kpp_version == __version__
    assert config.seed == 9
    assert config.training.settings["max_epochs"] == 2
    assert config.training.epochs == 2
    # 25 minutes at each of 3 user counts: 16 fit, 4 validate, 5 test; the first of each part is no target
    rows = config.training
    assert (rows.fit_rows, rows.validation_rows, rows.test_rows) == (3 * 15, 3 * 3, 3 * 4)
    assert config.minima[0] == 10
    assert config.maxima[0] == 30
    assert config.normalized_rmse.model is not None
    assert config.best_test_loss == pytest.approx(config.normalized_rmse.model**2)
    assert config.scores[RESPONSE_TIME].rows == 12


def test_the_scores_are_those_of_the_model_on_the_disk(tmp_path: Path) -> None:
    """The last 5 of 25 minutes test; each is predicted from those before it, the first of them repeated."""
    rows = make_measurements(samples=25)
    (config,) = train(rows, tmp_path).trained
    model = read_model(tmp_path / "models", "frontend")

    relative = []
    for _, experiment in rows.groupby(USER_COUNT):
        test = experiment[[USER_COUNT, *TARGETS]].to_numpy()[20:]
        for end in range(1, 5):
            window = test[[max(step, 0) for step in range(end - 5, end)]]
            relative.append(np.abs(model.predict(window[None])[0] / test[end, 1:] - 1))

    expected = np.mean(relative, axis=0).tolist()
    found = {target: config.scores[target].model.mape for target in TARGETS}
    assert found == pytest.approx(dict(zip(TARGETS, expected, strict=True)), rel=1e-4)


def test_changing_test_rows_changes_neither_scaler_nor_weights(tmp_path: Path) -> None:
    rows = make_measurements(("cart", "frontend"), samples=25)
    is_test = rows.groupby([SERVICE, USER_COUNT]).cumcount() >= 20
    changed = rows.copy()
    changed.loc[is_test, [*TARGETS]] *= [1000.0, 0.0, 7.0]

    before, after = train(rows, tmp_path / "before"), train(changed, tmp_path / "after")

    assert weights_of(before) == weights_of(after)
    for one, other in zip(before.trained, after.trained, strict=True):
        assert (one.minima, one.maxima) == (other.minima, other.maxima)
        assert one.scores != other.scores
        assert one.data_digest != other.data_digest


def test_a_service_gets_the_same_weights_alone_and_among_others_up_to_rounding(tmp_path: Path) -> None:
    rows = make_measurements(("ad", "cart", "frontend"))

    train(rows, tmp_path / "together")
    train(rows[rows[SERVICE] == "cart"], tmp_path / "alone")

    alone, together = (
        read_model(tmp_path / folder / "models", "cart").network.state_dict()
        for folder in ("alone", "together")
    )
    for name, values in alone.items():
        torch.testing.assert_close(values, together[name], rtol=1e-4, atol=1e-6)  # rounding


def test_training_twice_gives_the_same_files(tmp_path: Path) -> None:
    rows = make_measurements()
    train(rows, tmp_path / "one")
    train(rows, tmp_path / "other")

    for file in ("models/gru_frontend.pth", "models/config_frontend.json", "plots/frontend_predictions.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_what_cannot_be_trained_is_skipped_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = make_measurements(("cart", "frontend"))
    few = rows[(rows[SERVICE] != "cart") | (rows[TIMESTAMP] < rows[TIMESTAMP].min() + 180)]
    listener = Listener()

    result = train(few, tmp_path, listener=listener)

    assert [config.service for config in result.trained] == ["frontend"]
    assert "too few" in result.skipped["cart"]
    assert listener.skipped == result.skipped
    assert "gru_cart.pth" not in names_in(tmp_path / "models")


def test_an_older_model_of_a_skipped_service_stays_and_is_told_of(tmp_path: Path) -> None:
    rows = make_measurements(("cart", "frontend"))
    train(rows, tmp_path)
    few = rows[(rows[SERVICE] != "cart") | (rows[TIMESTAMP] < rows[TIMESTAMP].min() + 180)]

    result = train(few, tmp_path)

    assert result.skipped["cart"].endswith("its model of an earlier training stays as it is")
    assert read_model(tmp_path / "models", "cart").service == "cart"


def test_constant_and_missing_columns_and_one_user_count_are_trained(tmp_path: Path) -> None:
    rows = make_measurements(user_counts=(10,), samples=60)
    rows[THROUGHPUT], rows[CPU_USAGE] = 5.0, np.nan

    (config,) = train(rows, tmp_path).trained

    assert config.unlearned_targets == (CPU_USAGE,)
    assert config.scores[CPU_USAGE].model.mape is None
    assert config.scores[THROUGHPUT].training_mean.rmse == pytest.approx(0)


def test_a_name_that_is_no_dns_label_gets_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no name of a service"):
        train(make_measurements(("../../evil", "frontend")), tmp_path / "inner")

    assert names_in(tmp_path) == ["inner"]
    assert names_in(tmp_path / "inner") == ["rows.csv"]


def test_nothing_to_train_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"rows\.csv: no service can be trained: frontend: .*too few"
    ) as raised:
        train(make_measurements(samples=3, user_counts=(10,)), tmp_path)

    assert "\n" not in str(raised.value)
    assert not (tmp_path / "models").exists()


def test_an_interruption_leaves_the_finished_services_complete(tmp_path: Path) -> None:
    rows = make_measurements(("ad", "cart", "frontend"))
    listener = Listener(interrupt=True)
    threads = threading.active_count()

    with pytest.raises(Interrupted):
        train(rows, tmp_path, listener=listener)

    (done,) = listener.done
    assert names_in(tmp_path / "models") == [f"config_{done}.json", f"gru_{done}.pth"]
    assert read_model(tmp_path / "models", done).service == done
    assert threading.active_count() == threads


def test_an_interruption_leaves_an_older_model_as_it_was(tmp_path: Path) -> None:
    rows = make_measurements(("ad", "cart", "frontend"))
    train(rows, tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    listener = Listener(interrupt=True)

    with pytest.raises(Interrupted):
        train(rows, tmp_path, dataclasses.replace(QUICK, seed=5), listener)

    (done,) = listener.done
    for path in (tmp_path / "models").iterdir():
        assert (path.read_bytes() == before[path.name]) == (done not in path.name)


def test_a_folder_that_cannot_be_made_is_an_error_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    listener = Listener()

    with pytest.raises(ConfigError, match="models: no folder can be made here"):
        train(make_measurements(), tmp_path, listener=listener)

    assert listener.epochs == []


def test_an_unusable_device_is_an_error_before_the_files_are_read(tmp_path: Path) -> None:
    settings = dataclasses.replace(QUICK, device="tpu")

    with pytest.raises(ConfigError, match="no device"):
        train_all([tmp_path / "nowhere.csv"], tmp_path, tmp_path, settings, Listener())


def test_a_partitioned_folder_in_groups_gives_the_same_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_measurements(("cart", "frontend"))
    for service, own in rows.groupby(SERVICE):
        folder = tmp_path / "rows" / f"Service={service}"
        folder.mkdir(parents=True)
        own.drop(columns=SERVICE).to_csv(folder / "part-0.csv", index=False)
    monkeypatch.setattr(folders, "MOST_ROWS", 1)  # a group for each service
    listener = Listener()

    result = train_all([tmp_path / "rows"], tmp_path / "models", tmp_path / "plots", QUICK, listener)

    assert listener.services == ["frontend"]  # what the second group tells
    assert listener.groups == [(1, 2), (2, 2)]
    assert sorted(listener.done) == [config.service for config in result.trained] == ["cart", "frontend"]
    whole = train(rows, tmp_path / "whole").trained
    assert [config.data_digest for config in result.trained] == [config.data_digest for config in whole]


def test_a_large_table_in_groups_gives_the_same_models_and_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a group has no usable row, and what was trained on the whole table is kept in groups."""
    rows = make_measurements(("ad", "cart", "frontend"))
    rows.loc[rows[SERVICE] == "cart", USER_COUNT] = np.nan
    whole = train(rows, tmp_path)
    monkeypatch.setattr(folders, "MOST_ROWS", len(rows) // 3 + 1)
    kept, trained = Listener(), Listener()

    again = train(rows, tmp_path, listener=kept)
    fresh = train(rows, tmp_path / "fresh", listener=trained)

    assert list(whole.skipped) == ["cart"]
    assert again.skipped == fresh.skipped == whole.skipped
    assert sorted(again.kept) == ["ad", "frontend"]
    assert kept.done == []
    assert trained.shares[-1] == 1
    assert trained.groups == [(1, 3), (2, 3), (3, 3)]
    digests = [[config.data_digest for config in result.trained] for result in (whole, again, fresh)]
    assert digests[0] == digests[1] == digests[2]


def test_without_any_usable_row_groups_are_refused_as_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_measurements(("ad", "cart")).assign(**{USER_COUNT: np.nan})
    with pytest.raises(InputError) as whole:
        train(rows, tmp_path)
    monkeypatch.setattr(folders, "MOST_ROWS", 20)
    with pytest.raises(InputError) as grouped:
        train(rows, tmp_path)
    assert str(grouped.value) == str(whole.value)
    assert "no usable row" in str(whole.value)


def test_the_notes_tell_what_was_done_to_the_data(tmp_path: Path) -> None:
    rows = make_measurements(samples=25)
    rows.loc[3, CPU_USAGE] = np.nan
    rows.loc[7, RESPONSE_TIME] = 6.8

    notes = train(rows, tmp_path).notes

    (note,) = [note for note in notes if note.startswith("frontend: ")]
    assert "filled: 1 CPU Usage" in note
    assert "outliers clipped: 1 Response Time (s)" in note
