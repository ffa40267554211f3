"""One campaign to a namespace: a Lease in the cluster says who has it, and until when.

The rules are those of client-go's leader election: a holder renews its Lease, whoever wants it takes it over
when it has expired, and every write carries the version that was read, so that of two only one succeeds.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kpp.clock import Clock
from kpp.collector.cluster.api import KubernetesApi, KubernetesObject
from kpp.collector.cluster.errors import status_of
from kpp.collector.cluster.lease_object import (
    DURATION_SECONDS,
    NAME,
    Holder,
    expires_at,
    make_lease,
    renew,
    take_over,
)
from kpp.errors import KubernetesError, LeaseLostError

logger = logging.getLogger(__name__)

RENEW_SECONDS = 15
WATCH_SECONDS = 45  # without a renewal, an expired Lease is dead, whatever the clock of its holder shows
_ATTEMPTS = 5
_BAD_REQUEST, _NOT_FOUND, _CONFLICT = 400, 404, 409
_UNUSABLE = (403, 404, 405)  # no permission, or a server without Leases


class CampaignLease:
    """The Lease of a namespace, from `acquire` to `release`.

    Where the account may not use Leases, a warning says so and the campaign goes on without one: a role that
    was enough before has to stay enough.
    """

    def __init__(self, api: KubernetesApi, clock: Clock, namespace: str, holder: Holder) -> None:
        self._api = api
        self._clock = clock
        self._holder = holder
        self._where = f"Lease {NAME} in namespace {namespace}"
        self._delete_command = f"kubectl delete lease {NAME} --namespace {namespace}"
        self._held: KubernetesObject | None = None
        self._renewed_at = float("-inf")

    def acquire(self) -> None:
        """Take the Lease; one of the same campaign and host is taken at once, an expired one after a watch.

        Raises:
            KubernetesError: another campaign has it, with its name; or the API refuses.
        """
        try:
            self._take(check=self._check_free)
        except KubernetesError as error:
            if status_of(error) not in _UNUSABLE:
                raise
            logger.warning("A second campaign on this namespace would not be noticed: %s", error)

    def keep(self) -> None:
        """Renew the Lease when it is time; a renewal that fails is tried again at the next one.

        Raises:
            LeaseLostError: another campaign has it by now.
        """
        if self._held is None or self._clock.now() < self._renewed_at + RENEW_SECONDS:
            return
        self._renewed_at = self._clock.now()
        try:
            self._held = self._api.replace_lease(renew(self._held, self._clock.now()), once=True)
        except KubernetesError as error:
            if status_of(error) in (_BAD_REQUEST, _NOT_FOUND, _CONFLICT):  # 400: a version of what is gone
                self._take(check=self._check_ours)
            else:
                logger.warning("The campaign's Lease could not be renewed: %s", error)

    def release(self) -> None:
        """Remove the Lease if it is still this campaign's; what hinders that is told, and it expires."""
        if self._held is None:
            return
        try:
            self._delete()
        except KubernetesError as error:
            logger.warning(
                "%s could not be removed and expires in %d s: %s; by hand: %s",
                *(self._where, DURATION_SECONDS, error, self._delete_command),
            )
        self._held = None

    def _take(self, check: Callable[[KubernetesObject], KubernetesObject | None]) -> None:
        """Write it until nobody has written in between; `check` raises when it is not to be had."""
        for _ in range(_ATTEMPTS):
            found = self._find()
            if found is not None:
                found = check(found)
            now = self._clock.now()
            try:
                self._held = (
                    self._api.create_lease(make_lease(self._holder, now))
                    if found is None
                    else self._api.replace_lease(take_over(found, self._holder, now))
                )
                self._renewed_at = now
                return
            except KubernetesError as error:
                if status_of(error) != _CONFLICT:
                    raise
        raise KubernetesError("changes all the time", where=self._where, mend="try again")

    def _find(self) -> KubernetesObject | None:
        try:
            return self._api.read_lease(NAME)
        except KubernetesError as error:
            if status_of(error) == _NOT_FOUND:
                return None
            raise

    def _check_free(self, found: KubernetesObject) -> KubernetesObject | None:
        """The Lease as it is to be taken over, None when it has gone meanwhile."""
        spec = found.get("spec", {})
        is_same = self._holder.is_of_campaign(found)
        if not spec.get("holderIdentity") or (is_same and self._holder.is_on_host(found)):
            return found  # its process is dead: the journal, which only one process can have, is ours
        if not is_same and self._clock.now() < expires_at(spec):
            raise self._taken(found)
        logger.warning(
            "%s: waiting %d s to see whether %s is alive", self._where, WATCH_SECONDS, spec["holderIdentity"]
        )
        self._clock.sleep(WATCH_SECONDS)
        later = self._find()
        if later is not None and later["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise self._taken(later)
        if not is_same:
            logger.warning(
                "Taken over from %s, which is dead: unless `kpp restore` was run where its files are, the "
                "load generator is not as it was before it.",
                spec["holderIdentity"],
            )
        return later

    def _check_ours(self, found: KubernetesObject) -> KubernetesObject:
        if self._holder.has(found):
            return found
        raise LeaseLostError(
            f"was taken over by {found.get('spec', {}).get('holderIdentity')} while this campaign gave no "
            "sign of life; nothing was put back",
            where=self._where,
            mend="when that one has ended, run `kpp restore`",
        )

    def _delete(self) -> None:
        assert self._held is not None
        found: KubernetesObject | None = self._held
        for _ in range(_ATTEMPTS):
            if found is None or not self._holder.has(found):
                return
            try:
                self._api.delete_lease(NAME, found["metadata"]["resourceVersion"])
                return
            except KubernetesError as error:
                if status_of(error) == _NOT_FOUND:
                    return
                if status_of(error) != _CONFLICT:
                    raise
                found = self._find()

    def _taken(self, found: KubernetesObject) -> KubernetesError:
        spec = found["spec"]
        return KubernetesError(
            f"another campaign has the namespace: {spec['holderIdentity']}, "
            f"which was alive at {spec.get('renewTime')}",
            where=self._where,
            mend="wait for its end; if it is dead, run `kpp collect --resume` or `kpp restore` where its "
            f"files are; what nobody knows any more: {self._delete_command}",
        )


@contextmanager
def held(lease: CampaignLease) -> Iterator[None]:
    """Have the Lease while the block runs."""
    lease.acquire()
    try:
        yield
    finally:
        lease.release()
