"""Prometheus's remote-write protocol, by hand: the only way to hand a real Prometheus a stale marker.

A WriteRequest is a protobuf message (prompb/remote.proto, prompb/types.proto), compressed with Snappy. Snappy
allows text that is stored as it is, so that no library is needed for either.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

import requests

Labels = Mapping[str, str]
Samples = Sequence[tuple[int, float]]  # Unix milliseconds, value

_LENGTH_DELIMITED, _VARINT, _FIXED_64 = 2, 0, 1
_LONGEST_LITERAL = 1 << 16


def write_remotely(url: str, series: Iterable[tuple[Labels, Samples]]) -> None:
    """Send samples to a Prometheus that runs with `--web.enable-remote-write-receiver`."""
    message = b"".join(_field(1, _time_series(labels, samples)) for labels, samples in series)
    answer = requests.post(
        f"{url}/api/v1/write",
        data=_store_as_snappy(message),
        headers={"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"},
        timeout=30,
    )
    assert answer.status_code == 204, answer.text


def _time_series(labels: Labels, samples: Samples) -> bytes:
    encoded_labels = (
        _field(1, _field(1, name.encode()) + _field(2, labels[name].encode())) for name in sorted(labels)
    )
    encoded_samples = (
        _field(2, _key(1, _FIXED_64) + struct.pack("<d", value) + _key(2, _VARINT) + _varint(timestamp_ms))
        for timestamp_ms, value in samples
    )
    return b"".join(encoded_labels) + b"".join(encoded_samples)


def _field(number: int, content: bytes) -> bytes:
    return _key(number, _LENGTH_DELIMITED) + _varint(len(content)) + content


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _store_as_snappy(content: bytes) -> bytes:
    pieces = [_varint(len(content))]
    for start in range(0, len(content), _LONGEST_LITERAL):
        literal = content[start : start + _LONGEST_LITERAL]
        pieces += [
            bytes([61 << 2]),
            struct.pack("<H", len(literal) - 1),
            literal,
        ]  # 61: the length has two bytes
    return b"".join(pieces)
