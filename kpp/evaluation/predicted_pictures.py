"""What a plot shows of predictions that were asked for: one line for each way to lay the services out."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.evaluation.pictures import LINE, ServicePicture
from kpp.schema import CPU_LIMIT, REPLICAS, SERVICE, TARGETS, USER_COUNT
from kpp.whatif.calibrated import CalibratedModel
from kpp.whatif.model import THINK_TIME, VERDICT, VERDICTS

MOST_DIFFERENCES = 2  # in the name of a line
MOST_IN_TITLE = 3  # services whose replicas are told


def picture_predictions(model: CalibratedModel, predictions: pd.DataFrame) -> list[ServicePicture]:
    """Every service of a scenario that was predicted, before the medians of the loads that were learned.

    Where a load is asked for more than once, its first rows make the first line, its second the second.
    """
    levels = model.measured.levels
    variant = predictions.groupby([SERVICE, USER_COUNT]).cumcount().to_numpy()
    names = _name_variants(model.model.name, predictions, variant)
    pictures = []
    for service, rows in predictions.groupby(SERVICE):
        own = variant[predictions.index.get_indexer(rows.index)]
        lines = {
            names[number]: rows[own == number].sort_values(USER_COUNT)[LINE].reset_index(drop=True)
            for number in np.unique(own)
        }
        learned = levels[levels[SERVICE] == service][[SERVICE, USER_COUNT, *TARGETS]]
        found = rows.groupby(USER_COUNT)[VERDICT].agg(lambda those: max(those, key=VERDICTS.index))
        verdicts = dict(zip(found.index.astype(float).tolist(), found.tolist(), strict=True))
        pictures.append(ServicePicture(str(service), learned, learned.iloc[:0], lines, list(lines), verdicts))
    return pictures


def title_predictions(model: str, predictions: pd.DataFrame) -> str:
    """What was asked, and the replicas that were asked for at all loads, where few services have some."""
    asked = [
        f"{service} x{counts.iloc[0]:g}"
        for service, counts in (predictions.groupby(SERVICE)[REPLICAS] if REPLICAS in predictions else ())
        if (counts == counts.iloc[0]).all()
    ]
    few = 0 < len(asked) <= MOST_IN_TITLE
    return f"predicted by {model}" + (f", with {', '.join(asked)}" if few else "")


def _name_variants(model: str, predictions: pd.DataFrame, variant: NDArray[np.integer]) -> list[str]:
    """The model's name, and by what the variant differs from the others."""
    if variant.max() == 0:
        return [model]
    apart = [rows for _, rows in predictions.groupby(variant)]
    differences = [list(_differences(predictions, rows)) for rows in apart]
    return [
        f"{model}: {', '.join(found[:MOST_DIFFERENCES]) if found else f'variant {number}'}"
        for number, found in enumerate(differences, start=1)
    ]


def _differences(predictions: pd.DataFrame, own: pd.DataFrame) -> Iterator[str]:
    """What all rows of a variant share, and other variants do not."""
    for column, phrase in ((REPLICAS, "{} x{:g}"), (CPU_LIMIT, "{} limited to {:g}")):
        if column in predictions:
            several = predictions.groupby(SERVICE)[column].nunique(dropna=False)
            for service in several.index[several > 1]:
                values = own.loc[own[SERVICE] == service, column]
                if (values == values.iloc[0]).all():
                    yield phrase.format(service, values.iloc[0])
    if THINK_TIME in predictions and (own[THINK_TIME] == own[THINK_TIME].iloc[0]).all():
        yield f"a pause of {own[THINK_TIME].iloc[0]:g} s"
