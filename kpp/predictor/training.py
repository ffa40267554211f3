"""Fits the GRUs of many services at once: several groups, each in a thread of its own."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

import torch

from kpp.predictor.preparation.windows import ServiceDataset
from kpp.predictor.settings import TrainingSettings, select_device
from kpp.predictor.stacked.first_weights import draw_weights
from kpp.predictor.stacked.group import Fit, OnEpoch, TrainingGroup, sort_key

CPU_GROUP = 8  # services; docs/adr/0030-train-services-together.md has the measurement
GPU_GROUP = 2048  # services: 2 GB of a GPU's memory
# on 16 cores 64 services took 2.8, 2.3, 2.2, 3.4 and 6.0 s with 1, 2, 4, 8 and 16 threads, since so many
# small operations wait for each other in Python; more cores are for --executor ray
MOST_THREADS = 4

Event = tuple[str, int] | Fit | Exception | None  # an epoch, a result, a failure, the end of a thread


def fit_services(
    datasets: Sequence[ServiceDataset], settings: TrainingSettings, on_epoch: OnEpoch
) -> Iterator[Fit]:
    """Fit each service's weights on `fit`, keep those with the least loss on `validation`; as they are ready.

    The models are independent: beside whom a service is trained changes its weights by rounding only. The
    same datasets and settings give the same weights bit for bit on one machine's CPU with as many threads.
    `test` is never looked at.

    Args:
        datasets: of the services, all with the same lookback.
        settings: of the training.
        on_epoch: called in this thread, while it waits for the next result.

    Raises:
        ConfigError: the device cannot be used.
    """
    device = select_device(settings.device)
    waiting = sorted(datasets, key=lambda dataset: sort_key(dataset, settings), reverse=True)
    most_threads = 1 if device.type == "cuda" else min(torch.get_num_threads(), MOST_THREADS)
    thread_count = min(most_threads, len(waiting))
    events: SimpleQueue[Event] = SimpleQueue()
    stop = threading.Event()
    # dealt out beforehand: who trains beside whom does not depend on who is done first
    hands = [waiting[number::thread_count] for number in range(thread_count)]
    threads = [
        threading.Thread(target=_train_hand, args=(hand, settings, device, events, stop), daemon=True)
        for hand in hands
    ]
    with _one_thread_each():
        for thread in threads:
            thread.start()
        try:
            yield from _results(events, len(threads), on_epoch)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def fit_service(dataset: ServiceDataset, settings: TrainingSettings) -> Fit:
    """Fit one service alone; see `fit_services`."""
    (fit,) = fit_services([dataset], settings, on_epoch=lambda _service, _epoch: None)
    return fit


def _results(events: "SimpleQueue[Event]", running: int, on_epoch: OnEpoch) -> Iterator[Fit]:
    while running:
        event = events.get()
        if event is None:
            running -= 1
        elif isinstance(event, Exception):
            raise event
        elif isinstance(event, Fit):
            yield event
        else:
            on_epoch(*event)


def _train_hand(
    hand: Sequence[ServiceDataset],
    settings: TrainingSettings,
    device: torch.device,
    events: "SimpleQueue[Event]",
    stop: threading.Event,
) -> None:
    """Train these services, so many at a time as fit a group; in a thread of its own."""
    try:
        with torch.no_grad():
            _train_group(deque(hand), settings, device, events, stop)
        events.put(None)
    except Exception as error:  # raised again in the thread that waits
        events.put(error)


def _train_group(
    waiting: "deque[ServiceDataset]",
    settings: TrainingSettings,
    device: torch.device,
    events: "SimpleQueue[Event]",
    stop: threading.Event,
) -> None:
    places = GPU_GROUP if device.type == "cuda" else CPU_GROUP
    group = TrainingGroup(settings, waiting[0].fit.lookback_steps, device)
    while (waiting or group.members) and not stop.is_set():
        free = min(places - len(group.members), len(waiting))
        if free:
            joining = [waiting.popleft() for _ in range(free)]
            with _DRAWING:
                first_weights = [draw_weights(dataset, settings) for dataset in joining]
            group.admit(joining, first_weights)
        group.run_epoch(stop.is_set)
        if stop.is_set():
            return
        for member in group.members:
            events.put((member.service, member.pace.epoch))
        for fit in group.release():
            events.put(fit)


_DRAWING = threading.Lock()  # first weights are drawn from torch's one global generator


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let each thread's operations run in that thread alone: such small ones lose more by waiting."""
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(previous)
