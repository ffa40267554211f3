"""A target that a real Prometheus scrapes: what it shows can be changed while it is served."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Exposed = tuple[Mapping[str, str], float, int | None]  # labels with `__name__`, value, own timestamp in ms


@dataclass
class Exposition:
    """What the target shows; None makes its scrapes fail."""

    samples: Sequence[Exposed] | None = field(default_factory=list)
    address: str = ""

    def text(self) -> str:
        """The samples in Prometheus's text format."""
        return "".join(_line(*sample) for sample in self.samples or ())


def _line(labels: Mapping[str, str], value: float, own_timestamp_ms: int | None) -> str:
    inside = ",".join(f'{name}="{text}"' for name, text in labels.items() if name != "__name__")
    return (
        f"{labels['__name__']}{{{inside}}} {value} {'' if own_timestamp_ms is None else own_timestamp_ms}\n"
    )


@contextmanager
def serve_exposition() -> Iterator[Exposition]:
    """Serve a target on loopback; its address is in the exposition."""
    exposition = Exposition()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if exposition.samples is not None else 500)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(exposition.text().encode())

        def log_message(self, *_arguments: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        exposition.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield exposition
        finally:
            server.shutdown()
            thread.join()
