"""`models/`: a service's weights in `gru_{service}.pth`, all else in `config_{service}.json`."""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import torch

from kpp.errors import InputError
from kpp.files import write_whole
from kpp.predictor.model import PerformancesGRU
from kpp.predictor.model_config import TRAIN_AGAIN, ModelConfig, config_path, read_config, to_json
from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.windows import FEATURES
from kpp.predictor.trained_model import TrainedModel
from kpp.schema import TARGETS


def weights_path(directory: Path, service: str) -> Path:
    """Where a service's weights lie.

    Raises:
        InputError: the name is no DNS-1123 label, and so may be no file name either.
    """
    return config_path(directory, service).with_name(f"gru_{service}.pth")


def write_model(directory: Path, network: PerformancesGRU, config: ModelConfig) -> ModelConfig:
    """Write both files, each whole or not at all; `directory` exists.

    Returns:
        The config as written, with the digest of the weights.

    Raises:
        ConfigError: the file system refused.
        InputError: the service's name is no DNS-1123 label.
    """
    buffer = (
        io.BytesIO()
    )  # the same weights give the same bytes; saved to a path, its name would be among them
    torch.save(network.state_dict(), buffer)
    weights = buffer.getvalue()
    written = config.model_copy(update={"weights_digest": hashlib.sha256(weights).hexdigest()})
    write_whole(
        {
            weights_path(directory, config.service): weights,
            config_path(directory, config.service): to_json(written),
        }
    )
    return written


def read_model(directory: Path, service: str) -> TrainedModel:
    """Read one service's model, ready to predict.

    Raises:
        InputError: a file is missing, damaged, of another kpp, or the two are of different trainings.
    """
    config = read_config(config_path(directory, service))
    path = weights_path(directory, service)
    if config.features != FEATURES or config.targets != TARGETS:
        what = f"predicts {', '.join(config.targets)} from {', '.join(config.features)}"
        raise InputError(what, where=str(config_path(directory, service)), mend=TRAIN_AGAIN)
    network = PerformancesGRU(**config.hyperparameters.model_dump())
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), mend=TRAIN_AGAIN) from error
    if hashlib.sha256(weights).hexdigest() != config.weights_digest:
        what = f"is damaged, or of another training than {config_path(directory, service).name}"
        raise InputError(what, where=str(path), mend=TRAIN_AGAIN)
    try:
        network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        what = f"does not fit {config_path(directory, service).name}"
        raise InputError(what, where=str(path), mend=TRAIN_AGAIN) from error
    scaling = Scaling(np.array(config.minima), np.array(config.maxima))
    return TrainedModel(service, network.eval(), scaling, config.lookback_steps, config.unlearned_targets)
