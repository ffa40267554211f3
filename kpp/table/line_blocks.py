"""From a stream of bytes to blocks of whole lines, so that a file of any size is read piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LineBlock:
    """Some lines of a file.

    Attributes:
        text: the lines, each ended by a line feed; the file's last one may lack it.
        first_line: the number of the first, from 1.
        is_last: whether these are the file's last. Only here is the last line that is not empty.
        bytes_read: of the file so far.
    """

    text: bytes
    first_line: int
    is_last: bool
    bytes_read: int


def cut_into_blocks(stream: BinaryIO, block_bytes: int) -> Iterator[LineBlock]:
    """Cut a text at line ends, whether those are LF, CRLF or CR; a byte order mark is left out.

    Args:
        stream: of the file.
        block_bytes: about the size of a block; a longer line is not cut.
    """
    first_line, bytes_read, rest = 1, 0, b""
    while chunk := _read_chunk(stream, max(block_bytes, len(BYTE_ORDER_MARK))):
        text = chunk if bytes_read else chunk.removeprefix(BYTE_ORDER_MARK)
        bytes_read += len(chunk)
        text = rest + _end_by_line_feeds(text)
        # the last line that is not empty stays, with the empty ones after it: it may be the file's last
        end = text.rfind(b"\n", 0, len(text.rstrip(b"\n"))) + 1
        if end:
            yield LineBlock(text[:end], first_line, is_last=False, bytes_read=bytes_read)
            first_line += text.count(b"\n", 0, end)
        rest = text[end:]
    yield LineBlock(rest, first_line, is_last=True, bytes_read=bytes_read)


def _read_chunk(stream: BinaryIO, size: int) -> bytes:
    """So many bytes; some more where a CR is the last, for a LF may follow it."""
    chunk = stream.read(size)
    while chunk.endswith(b"\r") and (more := stream.read(1)):
        chunk += more
    return chunk


def _end_by_line_feeds(chunk: bytes) -> bytes:
    return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
