"""The pace of a service, against `ReduceLROnPlateau` and an account in plain words."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from kpp.predictor.settings import TrainingSettings
from kpp.predictor.stacked.pace import Pace

LOSSES = st.lists(st.floats(0.1, 2) | st.sampled_from([0.5, 0.50001, 0.49999, float("nan")]), max_size=60)
SETTINGS = TrainingSettings(learning_rate=1.0, learning_rate_patience_epochs=3, stop_patience_epochs=7)


@settings(deadline=None)
@given(losses=LOSSES)
def test_the_learning_rate_falls_as_the_scheduler_of_torch_has_it(losses: list[float]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=SETTINGS.learning_rate)
    scheduler = ReduceLROnPlateau(
        optimizer,
        factor=SETTINGS.learning_rate_factor,
        patience=SETTINGS.learning_rate_patience_epochs,
        eps=0,
    )
    pace = Pace(SETTINGS)
    for loss in losses:
        scheduler.step(loss)
        pace.take(loss)
        assert pace.learning_rate == optimizer.param_groups[0]["lr"]


@settings(deadline=None)
@given(losses=LOSSES)
def test_the_best_epoch_is_the_first_with_the_least_loss(losses: list[float]) -> None:
    pace = Pace(SETTINGS)
    improved = [pace.take(loss) for loss in losses]

    known = [loss for loss in losses if not math.isnan(loss)]
    if known:
        assert pace.best_loss == min(known)
        assert losses[pace.best_epoch - 1] == min(known)
        assert losses.index(min(known)) == pace.best_epoch - 1
        assert max(number for number, better in enumerate(improved, 1) if better) == pace.best_epoch


def test_it_ends_after_the_last_epoch_or_when_nothing_has_improved_for_long() -> None:
    falling, flat = Pace(SETTINGS), Pace(SETTINGS)
    while not falling.ended:
        falling.take(1 / (falling.epoch + 1))
    while not flat.ended:
        flat.take(1.0)

    assert falling.epoch == SETTINGS.max_epochs
    assert flat.epoch == 1 + SETTINGS.stop_patience_epochs
