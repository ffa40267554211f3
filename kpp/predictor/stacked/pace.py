"""When one service's learning rate falls, when its training ends, and which epoch was its best."""

import math
from dataclasses import dataclass, field

from kpp.predictor.settings import TrainingSettings

THRESHOLD = 1e-4  # what ReduceLROnPlateau takes for progress: so much less than the best, as a share of it


@dataclass
class Pace:
    """One service's way through its epochs, from its loss on the validation rows after each."""

    settings: TrainingSettings
    learning_rate: float = field(init=False)
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    _plateau_loss: float = math.inf
    _epochs_on_plateau: int = 0

    def __post_init__(self) -> None:
        self.learning_rate = self.settings.learning_rate

    def take(self, loss: float) -> bool:
        """Note the loss after one more epoch; tell whether it is the least so far."""
        self.epoch += 1
        self._reduce_on_plateau(loss)
        improved = loss < self.best_loss
        if improved:
            self.best_loss, self.best_epoch = loss, self.epoch
        return improved

    @property
    def ended(self) -> bool:
        """Whether no further epoch is worth its time."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.settings.max_epochs or waited >= self.settings.stop_patience_epochs

    def _reduce_on_plateau(self, loss: float) -> None:
        """As `torch.optim.lr_scheduler.ReduceLROnPlateau`, without an optimizer of its own."""
        if loss < self._plateau_loss * (1 - THRESHOLD):
            self._plateau_loss, self._epochs_on_plateau = loss, 0
            return
        self._epochs_on_plateau += 1
        if self._epochs_on_plateau > self.settings.learning_rate_patience_epochs:
            self.learning_rate *= self.settings.learning_rate_factor
            self._epochs_on_plateau = 0
