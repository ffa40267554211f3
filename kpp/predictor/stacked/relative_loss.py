"""The loss: absolute errors relative to what is usual (docs/adr/0004-loss-and-best-weights.md)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kpp.predictor.preparation.scaling import Scaling
from kpp.predictor.preparation.windows import Windows
from kpp.predictor.trained_model import TARGET_COLUMNS


def usual_sizes(fit: Windows, user_counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median size of each target in the fitted rows of the same user count; (n, targets), own units.

    Where that is 0 or unknown, the median of all fitted rows; NaN where nothing was measured at all.
    """
    sizes = pd.DataFrame(np.abs(fit.observed))
    of_level = sizes.groupby(fit.user_counts).median().reindex(user_counts)
    return np.where(of_level > 0, of_level, sizes.median())


def relative_weights(
    targets: NDArray[np.float32], usual: NDArray[np.float64], scaling: Scaling
) -> NDArray[np.float32]:
    """Weights that turn normalized absolute errors into relative ones.

    With y the target in its own unit and m its usual size, weight x |normalized error| =
    |error| / max(|y|, m). An outlier counts relative to itself; a value near 0 does not outweigh the others.

    Args:
        targets: (n, targets), normalized; NaN where not measured.
        usual: (n, targets), own units; where neither it nor |y| is positive, the target's range stands in.
        scaling: the service's, of FEATURES.

    Returns:
        (n, targets); 0 where the target was not measured.
    """
    scale = scaling.scale[TARGET_COLUMNS]
    own_units = (targets - scaling.offset[TARGET_COLUMNS]) / scale
    sizes = np.fmax(np.abs(own_units), usual)
    sizes = np.where(sizes > 0, sizes, 1 / scale)
    weights = np.where(np.isnan(targets), 0.0, 1 / (scale * sizes))
    return weights.astype(np.float32)
