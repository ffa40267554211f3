"""What `models/config_{service}.json` holds: all that inference and the table need beside the weights.

Loads neither torch nor scikit-learn, so that the table is printed at once.
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kpp.errors import InputError
from kpp.schema import is_dns_label

FORMAT_VERSION = 1
TRAIN_AGAIN = "train again with `kpp train`"

Size = Annotated[int, Field(ge=1, le=10_000)]
Score = Annotated[float, Field(ge=0)]


class _Record(BaseModel):
    # unknown fields are left alone: a later kpp may add some without a new format version
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Scores(_Record):
    """Errors of one prediction of one target; None where no row can be scored. See `kpp.predictor.scores`."""

    rmse: Score | None  # in the target's own unit
    mae: Score | None  # in the target's own unit
    mape: Score | None  # ratio
    wape: Score | None  # ratio


class Comparison(_Record):
    """The model and the two baselines, scored on the same test rows."""

    rows: int
    model: Scores
    last_observed: Scores
    training_mean: Scores


class NormalizedRMSE(_Record):
    """Over all targets, each error divided by the range of the target in the training rows."""

    model: Score | None
    last_observed: Score | None
    training_mean: Score | None


class NetworkSize(_Record):
    """The arguments of `PerformancesGRU`."""

    input_size: Size
    hidden_size: Size
    layer_count: Size
    output_size: Size


class TrainingRecord(_Record):
    """How the weights came about."""

    settings: dict[str, float | int | str]  # of `TrainingSettings`, seed and device included
    fit_rows: int
    validation_rows: int
    test_rows: int
    epochs: int
    best_epoch: int
    best_validation_loss: float


class ModelConfig(_Record):
    """One service's model, without its weights.

    Attributes:
        minima, maxima: of each feature in the training rows, own units: the scaler.
        unlearned_targets: never measured in the rows that were fitted, so never predicted.
        best_test_loss: mean squared error of these weights on the test rows, all targets, normalized
            units; its root is the RMSE of the table. It chose nothing.
        data_digest: SHA-256 of the service's rows.
        weights_digest: SHA-256 of the file `gru_{service}.pth`.
    """

    format_version: int = FORMAT_VERSION
    kpp_version: str
    service: str
    features: tuple[str, ...]
    targets: tuple[str, ...]
    unlearned_targets: tuple[str, ...] = ()
    lookback_steps: Size
    horizon_steps: Size = 1
    hyperparameters: NetworkSize
    minima: tuple[float, ...]
    maxima: tuple[float, ...]
    seed: int
    training: TrainingRecord
    best_test_loss: Score | None
    normalized_rmse: NormalizedRMSE
    scores: dict[str, Comparison]  # by target
    data_digest: str
    weights_digest: str = ""


def config_path(directory: Path, service: str) -> Path:
    """Where a service's config lies; weights lie beside it.

    Raises:
        InputError: the name is no DNS-1123 label, and so may be no file name either.
    """
    if not is_dns_label(service):
        mend = "a service has lower-case letters, digits and '-', at most 63 characters"
        raise InputError(f"{service!r} is no name of a service", mend=mend)
    return directory / f"config_{service}.json"


def to_json(config: ModelConfig) -> bytes:
    """The config as a JSON file, with an indent for people who look into it."""
    return (config.model_dump_json(indent=2) + "\n").encode()


def read_config(path: Path) -> ModelConfig:
    """Read and check one `config_{service}.json`.

    Raises:
        InputError: it is missing, damaged, of another format, or of another service than its name says.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), mend=TRAIN_AGAIN) from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise InputError(f"is damaged: {error}", where=str(path), mend=TRAIN_AGAIN) from error
    version = fields.get("format_version") if isinstance(fields, dict) else None
    _check_version(path, version)
    try:
        config = ModelConfig.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        raise InputError(f"is damaged: {field}: {fault['msg']}", where=str(path), mend=TRAIN_AGAIN) from error
    if config_path(path.parent, config.service) != path:
        what = f"holds the model of {config.service}"
        raise InputError(what, where=str(path), mend="give the file its old name, or train again")
    return config


def _check_version(path: Path, version: object) -> None:
    """Refuse all formats but the present one; older ones get their conversion here once there are any."""
    if not isinstance(version, int) or version < 1:
        raise InputError("is no config of a kpp model", where=str(path), mend=TRAIN_AGAIN)
    if version > FORMAT_VERSION:
        what = (
            f"has the format version {version}, newer than {FORMAT_VERSION}, the newest that this kpp reads"
        )
        raise InputError(what, where=str(path), mend="update kpp, or train again")


def read_configs(directory: Path) -> list[ModelConfig]:
    """Read the configs of all models in a folder, by service.

    Raises:
        InputError: there are none, or one of them cannot be used.
    """
    paths = sorted(directory.glob("config_*.json"))
    if not paths:
        what = "holds no trained models" if directory.is_dir() else "is no folder"
        mend = "train some with `kpp train`, or name another folder with --models"
        raise InputError(what, where=str(directory), mend=mend)
    return sorted((read_config(path) for path in paths), key=lambda config: config.service)
