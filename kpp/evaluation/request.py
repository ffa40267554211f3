"""What is to be split, and whether the split that was named can do with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from kpp.errors import ConfigError
from kpp.schema import USER_COUNT
from kpp.whatif.model import Campaign

TAKES_TEST = ("extrapolation", "merged", "stratified")  # splits that have a use for a second campaign
TAKES_COUNT = ("interpolation", "extrapolation", "few-loads")
TAKES_USER_COUNTS = (*TAKES_COUNT, "leave-one-load-out")
MOST_NAMED = 8  # user counts, in a message or a label


@dataclass(frozen=True)
class Request:
    """What is to be split.

    Attributes:
        train: what models may learn from.
        test: a second campaign, or None.
        seed: of splits that draw lots.
        count: how many user counts to hold out (`few-loads`: to keep); None for the split's own choice.
        user_counts: which ones; empty for the split's own choice.
    """

    train: Campaign
    test: Campaign | None = None
    seed: int = 0
    count: int | None = None
    user_counts: Sequence[float] = ()

    @property
    def measured_user_counts(self) -> list[float]:
        """Those of `train`, in order."""
        return sorted(float(count) for count in self.train.measurements[USER_COUNT].unique())


def check_request(name: str, request: Request) -> None:
    """Refuse what the split `name` would have to ignore.

    Raises:
        ConfigError: with the mend.
    """
    if request.test is not None and name not in TAKES_TEST:
        mend = f"leave --test out, or choose one of {', '.join(TAKES_TEST)}"
        raise ConfigError(f"the split {name} asks for no second campaign", mend=mend)
    if request.test is None and name == "merged":
        raise ConfigError("the split merged needs a second campaign", mend="name it with --test")
    for option, given, takers in (
        ("--count", request.count is not None, TAKES_COUNT),
        ("--user-counts", bool(request.user_counts), TAKES_USER_COUNTS),
    ):
        if given and (name not in takers or request.test is not None):
            where = f"{name} with --test" if name in takers else name
            raise ConfigError(f"{option} says nothing to the split {where}", mend=f"leave {option} out")
    if request.count is not None and request.user_counts:
        raise ConfigError("--count and --user-counts are given", mend="leave one of the two out")
    _check_user_counts(name, request)


def _check_user_counts(name: str, request: Request) -> None:
    measured = request.measured_user_counts
    for count in request.user_counts:
        if count not in measured:
            mend = f"measured are {name_user_counts(measured)}"
            raise ConfigError(f"{count:g} users were not measured", mend=mend)
        if name == "interpolation" and count in (measured[0], measured[-1]):
            mend = "choose extrapolation, or leave-one-load-out"
            raise ConfigError(f"{count:g} users do not lie between two measured loads", mend=mend)


def name_user_counts(user_counts: Sequence[float]) -> str:
    """All of a few, the ends of many.

    >>> name_user_counts([10, 20, 40]), name_user_counts(range(10, 110, 10))
    ('10, 20, 40 users', '10 user counts from 10 to 100')
    """
    if len(user_counts) <= MOST_NAMED:
        return f"{', '.join(f'{count:g}' for count in user_counts)} users"
    return f"{len(user_counts)} user counts from {min(user_counts):g} to {max(user_counts):g}"
