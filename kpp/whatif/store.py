"""`models/whatif.json`: all what-if models as one file of plain data; docs/what-if.md has the format."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kpp import __version__
from kpp.errors import ConfigError, InputError
from kpp.files import make_directory, write_whole
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.fitting import FittedModels, Origin
from kpp.whatif.registry import MODELS, make_model

FILE_NAME = "whatif.json"
FORMAT_VERSION = 5
FIT_AGAIN = "fit again with `kpp fit`"


class StoredModels(BaseModel):
    """The file: its outer layer is checked here, what is in `models` by each model itself."""

    # unknown fields are left alone: a later kpp may add some without a new format version
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    kind: Literal["kpp what-if models"] = "kpp what-if models"
    format_version: int = FORMAT_VERSION
    kpp_version: str = __version__
    origin: Origin
    skipped: dict[str, str]  # model -> why it could not be fitted
    models: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]


def write_models(folder: Path, fitted: FittedModels) -> Path:
    """Write all models to `folder`, whole or not at all; the file's path.

    Raises:
        ConfigError: the file system refused.
    """
    stored = {
        "kind": "kpp what-if models",
        "format_version": FORMAT_VERSION,
        "kpp_version": __version__,
        "origin": asdict(fitted.origin),
        "skipped": dict(fitted.skipped),
        "models": {name: model.dump() for name, model in fitted.models.items()},
    }
    content = json.dumps(stored, allow_nan=False, separators=(",", ":")).encode()
    path = folder / FILE_NAME
    make_directory(folder)
    write_whole({path: content})
    return path


def read_stored(folder: Path) -> StoredModels:
    """Read the file and check its outer layer.

    Raises:
        InputError: it is missing, damaged, or of a format that this kpp does not read.
    """
    path = folder / FILE_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "holds no what-if models" if folder.is_dir() else "is no folder"
        mend = "fit some with `kpp fit CSV`, or name another folder with --models"
        raise InputError(what, where=str(folder), mend=mend) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), mend=FIT_AGAIN) from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise InputError(f"is damaged: {error}", where=str(path), mend=FIT_AGAIN) from error
    version = fields.get("format_version") if isinstance(fields, dict) else None
    if not isinstance(version, int) or version < 1:
        raise InputError("is no file of what-if models", where=str(path), mend=FIT_AGAIN)
    if version > FORMAT_VERSION:
        what = (
            f"has the format version {version}, newer than {FORMAT_VERSION}, the newest that this kpp reads"
        )
        raise InputError(what, where=str(path), mend="update kpp, or fit again with `kpp fit`")
    if version < FORMAT_VERSION:
        what = f"has the format version {version}, which this kpp no longer reads"
        raise InputError(what, where=str(path), mend=FIT_AGAIN)
    try:
        return TypeAdapter(StoredModels).validate_python(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        raise InputError(f"is damaged: {field}: {fault['msg']}", where=str(path), mend=FIT_AGAIN) from error


def restore_model(folder: Path, stored: StoredModels, name: str) -> CalibratedModel:
    """Bring one of the stored models back.

    Raises:
        ConfigError: no model of that name is stored.
        InputError: its state is damaged.
    """
    path = folder / FILE_NAME
    if name not in stored.models or name not in MODELS:
        why = f": {stored.skipped[name]}" if name in stored.skipped else ""
        mend = f"name one of {', '.join(stored.models)}, or fit again"
        raise ConfigError(f"holds no model {name!r}{why}", where=str(path), mend=mend)
    try:
        return CalibratedModel.restore(make_model(name), stored.models[name])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        what = f"the model {name} is damaged: {type(error).__name__}: {error}"
        raise InputError(what, where=str(path), mend=FIT_AGAIN) from error
