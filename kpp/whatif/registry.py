"""All what-if models by name. A new one needs a line here and a file of its own; docs/what-if.md says how."""

from collections.abc import Mapping, Sequence
from functools import partial

from kpp.errors import ConfigError
from kpp.whatif.model import ModelFactory, WhatIfModel
from kpp.whatif.models.boosting import make_boosting
from kpp.whatif.models.hybrid import make_hybrid
from kpp.whatif.models.linear import make_linear, make_log_linear
from kpp.whatif.models.nearest import make_nearest
from kpp.whatif.models.neural_network import make_neural_network
from kpp.whatif.models.queueing_network import make_queueing
from kpp.whatif.models.usl import make_usl

MODELS: Mapping[str, ModelFactory] = {
    "nearest": make_nearest,
    "linear": make_linear,
    "log-linear": make_log_linear,
    "boosting": make_boosting,
    "usl": make_usl,
    "neural-network": make_neural_network,
    "queueing": make_queueing,
    "hybrid": make_hybrid,
}
SEEDED = {"boosting": make_boosting, "neural-network": make_neural_network}  # those that draw random numbers
DEFAULT_MODEL = "hybrid"


def make_model(name: str, seed: int = 0) -> WhatIfModel:
    """A fresh model of the registry."""
    factory = partial(SEEDED[name], seed=seed) if name in SEEDED else MODELS[name]
    return factory()


def pick_names(text: str) -> Sequence[str]:
    """The models that a list like `linear,usl` names; `all` names all.

    Raises:
        ConfigError: a name is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return list(MODELS)
    unknown = [name for name in names if name not in MODELS]
    if unknown or not names:
        what = f"{unknown[0]!r} is no model" if unknown else "no model is named"
        raise ConfigError(what, mend=f"name some of {', '.join(MODELS)}, with commas between, or all")
    return list(dict.fromkeys(names))
