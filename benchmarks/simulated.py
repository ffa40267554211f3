"""Tables of any size for benchmarks: services whose targets follow the load, with noise of their own."""

import numpy as np
import pandas as pd

from kpp.table.columns import SERVICE, TARGETS, TIMESTAMP, USER_COUNT

SAMPLES = 21  # minutes of one experiment
PAUSE = 6  # minutes between two
USER_COUNTS = 50  # that an experiment may have, from 60 on


def make_frame(services: int, rows: int, seed: int = 0) -> pd.DataFrame:
    """So many rows of each service, in the order in which a campaign writes them."""
    rng = np.random.default_rng(seed)
    minutes = np.repeat(np.arange(rows), services)
    experiments = minutes // SAMPLES
    user_counts = 60.0 + experiments % USER_COUNTS
    scales = np.tile(rng.uniform(0.5, 2.0, services), rows)
    noise = rng.lognormal(0, 0.1, (len(minutes), len(TARGETS)))
    shapes = np.stack([1e-4 * user_counts, user_counts / 4, 2e-3 * user_counts], axis=1)
    frame = pd.DataFrame(shapes * scales[:, None] * noise, columns=list(TARGETS))
    frame[TIMESTAMP] = 1_700_000_040.0 + 60 * (minutes + PAUSE * experiments)
    frame[SERVICE] = np.tile([f"service-{number:04}" for number in range(services)], rows)
    frame[USER_COUNT] = user_counts
    return frame
