"""How much a source may hold: an extract comes from outside, and a small archive can unpack to anything."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cis_ews.errors import ReadError

MEBIBYTE = 2**20
PIECE = 2**16  # an unpacker reads its packed bytes ahead in pieces of this size, and the ratio must see through that


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """Bounds that are counted while bytes are unpacked; what the header of an archive claims is never trusted.

    `max_unpacked_bytes`: of one compressed file. `max_ratio`: unpacked bytes to the packed bytes that they came from,
    looked at after the first `ratio_after_bytes`; school records pack to a tenth or a thirtieth. `max_rows`: of one
    Parquet file. `max_members`: files in one archive.
    """

    max_unpacked_bytes: int = 2048 * MEBIBYTE
    max_ratio: float = 100.0
    ratio_after_bytes: int = 16 * MEBIBYTE
    max_rows: int = 500_000_000
    max_members: int = 1000


class CountedFile(io.FileIO):
    """A file that knows how many of its bytes were read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.consumed = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, counted."""
        data = super().read(size) or b""
        self.consumed += len(data)
        return data


class BoundedReader(io.RawIOBase):
    """A stream of unpacked bytes that stops with ReadError as soon as it is longer than its packed bytes allow.

    `consumed`: how many packed bytes were read so far.
    """

    def __init__(self, stream: BinaryIO, *, name: str, consumed: Callable[[], int], limits: ReadLimits) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._consumed = consumed
        self._limits = limits
        self._read = 0

    def readable(self) -> bool:
        """True: this is a stream to read from."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; reading everything at once goes through the same bound."""
        parts: list[bytes] = []
        wanted = size
        while wanted and (part := self._next(PIECE if size < 0 else min(PIECE, wanted))):
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _next(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._read += len(data)
        if self._read > self._limits.max_unpacked_bytes:
            self._refuse(f"unpacks to more than {self._limits.max_unpacked_bytes // MEBIBYTE:,} MiB")
        if self._read > self._limits.ratio_after_bytes and self._read > self._limits.max_ratio * self._consumed():
            self._refuse(f"unpacks to more than {self._limits.max_ratio:g} times its size")
        return data

    def _refuse(self, what: str) -> None:
        raise ReadError(
            f"{self._name}: {what}",
            hint="this is how an archive made to fill a machine looks; unpack it yourself if you trust it",
            file=self._name,
        )
