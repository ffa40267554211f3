"""How a load generator is told its load: by which variables of which container, or by its replicas alone."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")  # as Kubernetes checks it: IsEnvVarName
_PLACES = re.compile(r"\{(users|rate)\}")


@dataclass(frozen=True)
class LoadProfile:
    """Where the load stands in the load generator's Deployment; by default that of Online Boutique."""

    container: str | None = None  # None: the only one that has a variable with the users
    templates: tuple[tuple[str, str], ...] = (("USERS", "{users}"), ("RATE", "{rate}"))
    users_per_replica: int | None = None  # not None: nothing but the replicas says how many users there are

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that are set."""
        return () if self.users_per_replica else tuple(name for name, _ in self.templates)

    @property
    def users_variables(self) -> tuple[str, ...]:
        """Those that hold the number of users."""
        return tuple(name for name, template in self.templates if "{users}" in template)

    def values(self, user_count: int, spawn_rate: int) -> Mapping[str, str]:
        """What each variable is set to.

        >>> LoadProfile(templates=(("K6_STAGES", "30s:{users}"),)).values(50, 5)
        {'K6_STAGES': '30s:50'}
        """
        values = {"users": str(user_count), "rate": str(spawn_rate)}
        return {
            name: _PLACES.sub(lambda place: values[place[1]], template) for name, template in self.templates
        }

    def replicas(self, user_count: int) -> int:
        """How many replicas make so many users."""
        return user_count // self.users_per_replica if self.users_per_replica else 1


def parse_load_variables(text: str) -> tuple[tuple[str, str], ...]:
    """Read variables and their values as the `env` command takes them.

    >>> parse_load_variables("K6_VUS={users} K6_DURATION=24h")
    (('K6_VUS', '{users}'), ('K6_DURATION', '24h'))

    Raises:
        ValueError: it is not written so, a name comes twice, or no value holds `{users}`.
    """
    form = "NAME=VALUE, with spaces between, as in USERS={users} RATE={rate}"
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{form}: {error}") from None
    pairs = tuple((name, value) for name, _, value in (part.partition("=") for part in parts))
    for part, (name, _) in zip(parts, pairs, strict=True):
        if "=" not in part or not _NAME.fullmatch(name):
            raise ValueError(f"{form}: {part!r} is not")
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("each variable once")
    if not any("{users}" in value for _, value in pairs):
        raise ValueError("a value has to hold {users}, else every experiment has the same load")
    return pairs
