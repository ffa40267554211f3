"""Reads a snapshot out of a world without touching it: reading never changes a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kpp.simulator.application import Application
from kpp.simulator.engine.layout import Rows, World
from kpp.simulator.engine.snapshot import (
    EngineSnapshot,
    OperationTruth,
    PodSnapshot,
    RequestReport,
    UserRequestTruth,
)
from kpp.simulator.engine.states import NEVER, PERIOD_SECONDS, Outcome, Phase, UserState
from kpp.simulator.engine.tables import Tables

PhaseName = Literal["starting", "running", "crashed", "terminating"]

_PHASES: dict[int, PhaseName] = {
    Phase.STARTING: "starting",
    Phase.RUNNING: "running",
    Phase.FAILING: "running",
    Phase.CRASHED: "crashed",
    Phase.TERMINATING: "terminating",
}
# HTTP response code, gRPC status (gRPC failures keep the code 200), flags at the source, at the destination
_CODES = {
    Outcome.OK: (200, "0", "-", "-"),
    Outcome.REDIRECTED: (302, "0", "-", "-"),
    Outcome.FAILED: (500, "13", "-", "-"),
    Outcome.OVERFLOWED: (503, "14", "-", "UO"),
    Outcome.REFUSED: (503, "14", "-", "UF"),
    Outcome.LOST: (503, "14", "UC", "UC"),
    Outcome.UNROUTED: (503, "14", "UH", "-"),
    Outcome.GIVEN_UP: (0, "", "DC", "DC"),
}


@dataclass(frozen=True)
class SnapshotReader:
    """A world, and the names of what its rows stand for."""

    world: World
    application: Application
    tables: Tables
    pod_names: dict[int, str]  # by row
    node_names: list[str]

    def read(self) -> EngineSnapshot:
        """Read everything."""
        alive = [int(row) for row in np.flatnonzero(self.world.pods["phase"] != Phase.GONE)]
        running = np.isin(self.world.users["state"], [UserState.WAITING, UserState.ACTING, UserState.LEAVING])
        return EngineSnapshot(
            at_seconds=self._now,
            user_count=int(np.count_nonzero(running)),
            pods=tuple(self._pod(row) for row in alive),
            reports=(*self._reports("source", alive), *self._reports("destination", alive)),
            operations=tuple(self._operations()),
            user_requests=tuple(self._user_requests()),
        )

    @property
    def _now(self) -> float:
        return float(self.world.state["now"][0])

    def _pod(self, row: int) -> PodSnapshot:
        pod = self.world.pods[row]
        service_row = int(pod["service"])
        service = self.world.services[service_row]
        background, sidecar_background = self._background_seconds(pod, service)
        limited = pod["limit"] != NEVER
        throttled_now = self._now - pod["throttled_at"] if pod["throttled"] else 0.0
        sidecar_seconds = self._station_seconds(2 * row + 1) + sidecar_background
        return PodSnapshot(
            name=self.pod_names[row],
            service=self.tables.service_names[service_row],
            node=self.node_names[pod["node"]],
            phase=_PHASES[int(pod["phase"])],
            ready=bool(pod["ready"]),
            started_at=float(pod["started_at"]),
            container_started_at=float(pod["container_started_at"]),
            restarts=int(pod["restarts"]),
            requests_in_progress=int(pod["in_progress"]),
            cpu_seconds=self._station_seconds(2 * row) + background,
            sidecar_cpu_seconds=sidecar_seconds if service["has_sidecar"] else None,
            cpu_limit_cores=float(pod["limit"]) if limited else None,
            cfs_periods=self._periods(row) if limited else None,
            cfs_throttled_periods=int(pod["throttled_periods"] - pod["throttled"]) if limited else None,
            cfs_throttled_seconds=float(pod["throttled_seconds"] + throttled_now) if limited else None,
        )

    def _station_seconds(self, row: int) -> float:
        """Counted up to the station's last event, and what it has used since."""
        station = self.world.stations[row]
        return float(station["cpu_seconds"] + (self._now - station["updated_at"]) * station["cores"])

    def _background_seconds(self, pod: Any, service: Any) -> tuple[float, float]:
        elapsed = self._now - pod["background_since"]
        cores = 0.0 if pod["phase"] == Phase.CRASHED else pod["background_factor"] * service["background"]
        sidecar_cores = self.world.state["sidecar_background"][0]
        return (
            float(pod["background_seconds"] + elapsed * cores),
            float(pod["sidecar_background_seconds"] + elapsed * sidecar_cores),
        )

    def _periods(self, row: int) -> int:
        """Periods in which the container ran, those since its last event included.

        One counts when it has ended, and so does a throttled one: Linux counts both in the period's timer.
        """
        pod, station = self.world.pods[row], self.world.stations[2 * row]
        current, since = (
            int((instant - pod["period_origin"]) / PERIOD_SECONDS)
            for instant in (self._now, float(station["updated_at"]))
        )
        booked, last_active = int(pod["periods"]), int(pod["last_active_period"])
        if last_active >= current:
            return max(booked - 1, 0)
        runs_on = station["cores"] > 0
        return booked + (max(current - max(since, last_active + 1), 0) if runs_on else 0)

    def _reports(
        self, reporter: Literal["source", "destination"], alive: list[int]
    ) -> Iterator[RequestReport]:
        reports = self.world.source_reports if reporter == "source" else self.world.destination_reports
        names = self.tables.service_names
        for row in alive:
            own = names[self.world.pods["service"][row]]
            for peer_row, outcome_row in np.argwhere(reports["count"][row] > 0):
                peer = names[peer_row]
                source, destination = (own, peer) if reporter == "source" else (peer, own)
                report = reports[row, peer_row, outcome_row]
                yield self._report(
                    report, self.pod_names[row], reporter, (source, destination), Outcome(outcome_row)
                )

    def _report(
        self,
        report: Any,
        pod: str,
        reporter: Literal["source", "destination"],
        services: tuple[str, str],
        outcome: Outcome,
    ) -> RequestReport:
        source, destination = services
        protocol = self.application.services[destination].protocol
        http_code, grpc_status, source_flags, destination_flags = _CODES[outcome]
        is_grpc = protocol == "grpc"
        return RequestReport(
            pod=pod,
            reporter=reporter,
            source_service=source,
            destination_service=destination,
            protocol=protocol,
            response_code=200 if is_grpc and grpc_status else http_code,
            grpc_status=grpc_status if is_grpc else "",
            response_flags=source_flags if reporter == "source" else destination_flags,
            outcome=outcome,
            count=int(report["count"]),
            duration_ms_sum=int(report["duration_ms"]),
            bucket_counts=np.cumsum(report["buckets"]),
            seconds_sum=float(report["seconds"]),
            request_bytes_sum=float(report["request_bytes"]),
            response_bytes_sum=float(report["response_bytes"]),
        )

    def _operations(self) -> Iterator[OperationTruth]:
        for key, truth in zip(self.tables.operation_keys, self.world.operation_truth, strict=False):
            yield OperationTruth(
                operation=key,
                counts={outcome: int(truth["count"][outcome]) for outcome in Outcome},
                seconds_sum=float(truth["seconds"]),
                seconds_squared_sum=float(truth["seconds_squared"]),
                demand_seconds_sum=float(truth["demand_seconds"]),
                wasted_seconds_sum=float(truth["wasted_seconds"]),
            )

    def _user_requests(self) -> Iterator[UserRequestTruth]:
        """One for each name, whichever actions it occurs in."""
        rows: dict[str, list[int]] = {}
        for row in np.flatnonzero(self.world.user_truth["count"]):
            rows.setdefault(self.tables.call_names[row].partition("/")[2], []).append(int(row))
        for name, its_rows in rows.items():
            truth: Rows = self.world.user_truth[its_rows]
            yield UserRequestTruth(
                name=name,
                count=int(truth["count"].sum()),
                failures=int(truth["failures"].sum()),
                seconds_sum=float(truth["seconds"].sum()),
                bucket_counts=np.cumsum(truth["buckets"].sum(axis=0)),
            )
