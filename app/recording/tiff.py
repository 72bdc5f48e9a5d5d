"""The least TIFF that makes raw frames on disk a standard file: a header and one directory a plane.

Layout: header (first page) | frame, frame, … (raw, page-aligned) | description | resolution values | directories.
Until the very last write the header names no directory, so that a file whose writer died is refused by every reader
instead of being silently short. Below 4 GiB the file is a classic TIFF, which plain ImageJ opens; above, a BigTIFF.

Source: TIFF 6.0 (Adobe, 1992) and the BigTIFF design (Aware Systems); little-endian throughout.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.recording.journal import PlaneRecord

CLASSIC_LIMIT = 0xFFFF_FFFF - (1 << 20)
UNFINISHED_HEADER = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0)
"""A BigTIFF header that names no directory."""


def is_finished(header: bytes) -> bool:
    """Return True when the first bytes of a file name a directory, i.e. when it is a TIFF."""
    if header[:4] == b"II*\0":
        return header[4:8] != bytes(4) and len(header) >= 8
    return header[:4] == b"II+\0" and header[8:16] != bytes(8) and len(header) >= 16


_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16


@dataclass(frozen=True, slots=True)
class _Flavour:
    """What differs between classic TIFF and BigTIFF: widths of counts and offsets."""

    count: str
    entry: str
    offset: str
    offset_type: int

    @property
    def offset_size(self) -> int:
        return struct.calcsize(self.offset)


_CLASSIC = _Flavour("<H", "<HHI", "<I", _LONG)
_BIG = _Flavour("<Q", "<HHQ", "<Q", _LONG8)


@dataclass(frozen=True, slots=True)
class Tail:
    """What makes the file whole: `data` goes to `offset`, then `header` to 0."""

    offset: int
    data: bytes
    header: bytes


def build_tail(records: Sequence[PlaneRecord], end: int, description: str, software: str) -> Tail:
    """Return the directories for `records`, to be written at `end`.

    Parameters
    ----------
    records : sequence of PlaneRecord
        At least one; a page of the file each, in this order.
    end : int
        First byte after the last frame.
    description : str
        OME-XML, put into the first page as UTF-8.
    software : str
        ASCII.
    """
    text = description.encode() + b"\0"
    # 400 bytes hold any directory of ours; what it comes to exactly does not matter for the choice.
    big = end + len(text) + 400 * len(records) > CLASSIC_LIMIT
    flavour = _BIG if big else _CLASSIC
    data = bytearray(text)
    text_at = end
    data += bytes(-len(data) % 8)
    program = software.encode("ascii", "replace") + b"\0"
    program_at = end + len(data)
    data += program + bytes(-len(program) % 8)
    resolutions = {size: index for index, size in enumerate(dict.fromkeys(r.pixel_size_um for r in records))}
    resolutions_at = end + len(data)
    for size in resolutions:
        data += struct.pack("<II", *pixels_per_cm(size))
    first = end + len(data)
    for number, record in enumerate(records):
        top, bottom = pixels_per_cm(record.pixel_size_um)
        # Eight bytes fit into a BigTIFF entry and must be there; a classic one refers to them.
        elsewhere = resolutions_at + 8 * resolutions[record.pixel_size_um]
        tags = _tags(record, top | bottom << 32 if big else elsewhere, flavour)
        if number == 0:
            tags[270] = (_ASCII, len(text), text_at)
            tags[305] = (_ASCII, len(program), program_at)
        data += _directory(tags, end + len(data), flavour, last=number == len(records) - 1)
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI8x", b"II", 42, first)
    return Tail(end, bytes(data), header)


def pixels_per_cm(pixel_size_um: float | None) -> tuple[int, int]:
    """Return the TIFF resolution as (numerator, denominator); (1, 1) where the pixel size is unknown."""
    if pixel_size_um is None or not 1e-4 < pixel_size_um < 1e5:
        return 1, 1
    # Both parts must fit 32 bits.
    largest = max(1, min(100_000, int(0xFFFF_0000 * pixel_size_um / 10_000)))
    ratio = (10_000 / Fraction(pixel_size_um)).limit_denominator(largest)
    return ratio.numerator, ratio.denominator


def _tags(record: PlaneRecord, resolution: int, flavour: _Flavour) -> dict[int, tuple[int, int, int]]:
    """Return tag → (type, count, value or offset)."""
    known = record.pixel_size_um is not None
    return {
        254: (_LONG, 1, 0),
        256: (_LONG, 1, record.width),
        257: (_LONG, 1, record.height),
        258: (_SHORT, 1, 8 * record.item_bytes),
        259: (_SHORT, 1, 1),  # not compressed
        262: (_SHORT, 1, 1),  # black is zero
        273: (flavour.offset_type, 1, record.offset),
        277: (_SHORT, 1, 1),
        278: (_LONG, 1, record.height),  # one strip a page
        279: (flavour.offset_type, 1, record.size),
        282: (_RATIONAL, 1, resolution),
        283: (_RATIONAL, 1, resolution),
        284: (_SHORT, 1, 1),
        296: (_SHORT, 1, 3 if known else 1),  # per centimetre, or no unit
    }


def _directory(tags: dict[int, tuple[int, int, int]], at: int, flavour: _Flavour, *, last: bool) -> bytes:
    size = struct.calcsize(flavour.count) + len(tags) * (struct.calcsize(flavour.entry) + flavour.offset_size)
    # The next directory follows at once, on an 8-byte boundary.
    total = size + flavour.offset_size
    total += -total % 8
    out = bytearray(struct.pack(flavour.count, len(tags)))
    for tag in sorted(tags):
        kind, count, value = tags[tag]
        out += struct.pack(flavour.entry, tag, kind, count)
        out += struct.pack(flavour.offset, value)
    out += struct.pack(flavour.offset, 0 if last else at + total)
    return bytes(out) + bytes(total - len(out))
