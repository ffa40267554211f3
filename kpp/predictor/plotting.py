"""Draws plots beside the training, in processes of their own: in its threads it would hold up the others."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self

from kpp.predictor.visualizer import PlotData, plot_path, plot_service

FEW = 4  # plots that are drawn sooner than a process starts
MOST_PROCESSES = 4


class Plotter:
    """Draws and writes plots; leaving the block waits for none of them, `finish` does.

    Args:
        directory: where the plots go; it exists.
        count: how many there will be; a few are drawn in this process.
        on_done: called with a service when its plot is on the disk; by `draw` or `finish`, in their thread.
    """

    def __init__(self, directory: Path, count: int, on_done: Callable[[str], None]) -> None:
        self._directory = directory
        self._on_done = on_done
        self._futures: dict[Future[None], str] = {}
        self._pool = None if count <= FEW else _make_pool()
        # starts the processes: a signal's handler never runs there, halfway through a start
        self._starter = ThreadPoolExecutor(1, initializer=_block_ctrl_c)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the plots that were not begun."""
        self._starter.shutdown()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def draw(self, data: PlotData) -> None:
        """Draw a plot, now or soon.

        Raises:
            ConfigError: the file system refused; also of an earlier plot.
        """
        path = plot_path(self._directory, data.service)
        if self._pool is None:
            plot_service(path, data)
            self._on_done(data.service)
            return
        future = self._starter.submit(self._pool.submit, plot_service, path, data).result()
        self._futures[future] = data.service
        for future in [future for future in self._futures if future.done()]:
            self._report(future)

    def finish(self) -> None:
        """Wait for all plots.

        Raises:
            ConfigError: the file system refused.
        """
        for future in as_completed(list(self._futures)):
            self._report(future)

    def _report(self, future: "Future[None]") -> None:
        service = self._futures.pop(future)
        future.result()
        self._on_done(service)


def _make_pool() -> ProcessPoolExecutor:
    """Processes that start when there is something to draw, afresh: a fork would copy the threads' locks."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)


def _block_ctrl_c() -> None:
    """Leave Ctrl-C to the process that trains: the processes inherit what their starter blocks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


def _begin() -> None:
    """End with the process that trains, even if it is killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
