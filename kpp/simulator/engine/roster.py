"""Which pod has which row of a world, by name."""

from dataclasses import dataclass, field

from kpp.errors import ConfigError
from kpp.simulator.engine.layout import World
from kpp.simulator.engine.states import Phase


@dataclass
class Roster:
    """The names of pods; that of one that has gone stays until its row is used again."""

    rows: dict[str, int] = field(default_factory=dict)

    def enter(self, name: str, row: int) -> None:
        """A new pod takes a row."""
        self.rows = {other: its_row for other, its_row in self.rows.items() if its_row != row}
        self.rows[name] = row

    def names(self, world: World) -> list[str]:
        """The pods that are there, those that are ending included."""
        phases = world.pods["phase"]
        return [name for name, row in self.rows.items() if phases[row] != Phase.GONE]

    def row(self, world: World, name: str) -> int:
        """The row of a pod that is there.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self.names(world):
            raise ConfigError(f"there is no pod {name!r}", mend="name one of `pod_names()`")
        return self.rows[name]

    def row_among(self, world: World, service_row: int, name: str | None) -> int:
        """The row of a service's pod; without a name that of the only one.

        Raises:
            ConfigError: there is none of that name; or, without one, not just one.
        """
        names = [pod for pod in self.names(world) if world.pods["service"][self.rows[pod]] == service_row]
        if name is None and len(names) == 1:
            name = names[0]
        if name is None or name not in names:
            what = (
                f"there is no load generator {name!r}" if name else f"there are {len(names)} load generators"
            )
            raise ConfigError(
                what, mend=f"name the pod, one of {', '.join(names)}" if names else "add a pod of it"
            )
        return self.rows[name]
