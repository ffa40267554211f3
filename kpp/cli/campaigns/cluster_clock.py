"""The clock of a cluster whose time is not the machine's: of a simulated one that `kpp simulate` serves."""

from collections.abc import Mapping

from kpp.clock import Clock, SystemClock
from kpp.errors import ClusterError

VARIABLE = "CLUSTER_CLOCK_URL"  # `kpp simulate` says what to export
_CONNECT_SECONDS = 10.0


def find_clock(environment: Mapping[str, str]) -> Clock:
    """The clock that the environment names, else the machine's."""
    url = environment.get(VARIABLE)
    return ClusterClock(url) if url else SystemClock()


class ClusterClock:
    """Asks the cluster for its time, and lets it pass.

    Raises:
        ClusterError: by both methods, when the cluster does not answer.
    """

    def __init__(self, url: str) -> None:
        import requests  # late: it takes longer to load than `kpp --help` may

        self._url = url
        self._session = requests.Session()

    def now(self) -> float:
        """The cluster's time, Unix seconds."""
        return self._ask("GET", self._url, _CONNECT_SECONDS)

    def sleep(self, seconds: float) -> None:
        """Return when so much time has passed in the cluster; it may take any time here."""
        if seconds > 0:
            self._ask("POST", f"{self._url}/sleep?seconds={seconds!r}", None)

    def _ask(self, method: str, url: str, read_seconds: float | None) -> float:
        from requests import RequestException

        try:
            answer = self._session.request(method, url, timeout=(_CONNECT_SECONDS, read_seconds))
            answer.raise_for_status()
            return float(answer.json()["now"])
        except (RequestException, KeyError, TypeError, ValueError) as error:
            mend = f"unset {VARIABLE} unless `kpp simulate` is running there"
            raise ClusterError(
                f"the cluster's clock does not answer: {error}", where=url, mend=mend
            ) from error
