"""Fits and calibrates the models of the registry; what cannot be fitted is left out, with the reason."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from kpp.errors import InputError
from kpp.schema import SERVICE, SOURCE, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.model import Campaign
from kpp.whatif.registry import make_model


@dataclass(frozen=True)
class Origin:
    """What models were fitted on.

    Attributes:
        tables: names of the files.
        digest: SHA-256 of the campaign's rows, as hex.
    """

    tables: tuple[str, ...]
    digest: str
    rows: int
    user_counts: tuple[float, ...]
    services: tuple[str, ...]
    with_calls: bool
    with_cpu_limits: bool

    @classmethod
    def of(cls, campaign: Campaign) -> "Origin":
        """Describe a campaign."""
        rows = campaign.measurements
        values = pd.util.hash_pandas_object(rows.drop(columns=SOURCE, errors="ignore"), index=False)
        files = rows[SOURCE].unique() if SOURCE in rows else ()
        return cls(
            tables=tuple(sorted(Path(str(name)).name for name in files)),
            digest=hashlib.sha256(values.to_numpy().tobytes()).hexdigest(),
            rows=len(rows),
            user_counts=tuple(sorted(float(count) for count in rows[USER_COUNT].unique())),
            services=tuple(sorted(str(service) for service in rows[SERVICE].unique())),
            with_calls=campaign.calls is not None,
            with_cpu_limits=bool(campaign.cpu_limits),
        )


@dataclass(frozen=True)
class FittedModels:
    """All models of one campaign."""

    origin: Origin
    models: Mapping[str, CalibratedModel]
    skipped: Mapping[str, str]  # name -> why it could not be fitted


def fit_models(
    campaign: Campaign, names: Sequence[str], seed: int, report: Callable[[str], None]
) -> FittedModels:
    """Fit and calibrate the models with these names.

    Args:
        campaign: what they learn from.
        names: of the registry.
        seed: for those that draw random numbers.
        report: is told each name when its turn comes.

    Raises:
        InputError: none of them can be fitted.
    """
    models, skipped = {}, {}
    for name in names:
        report(name)
        try:
            models[name] = CalibratedModel.fit(partial(make_model, name, seed), campaign)
        except InputError as error:
            skipped[name] = str(error)
    if not models:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise InputError(f"no model can be fitted: {reasons}", mend="collect more loads")
    return FittedModels(Origin.of(campaign), models, skipped)
