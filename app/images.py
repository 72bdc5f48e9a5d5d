"""Still images from files of any origin: PNG, JPEG and TIFF, 8 to 16 bits, grey or colour.

A file is told by its first bytes, not by its name. What its header claims is checked against what is there *before*
memory is claimed, so that neither a damaged nor a hostile file can fill the machine. Every failure is a
`BadImageError` of one sentence; the decoders' own warnings never reach the screen.

Grey from colour: the largest of the colour channels. It leaves a grey picture saved as RGB as it was and keeps all
of a stain drawn in a single colour, of which a luminance mix would keep a tenth (blue). Alpha is ignored.
"""

import errno
import logging
import math
import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from app.errors import BadImageError
from app.frame import BITS, Frame, read_only

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
"""File names that `expand_paths` takes from a folder, in lower case."""

MAX_PIXELS = 1 << 29
"""Larger images are refused: no microscope camera makes them, and half a billion pixels need gigabytes."""

TRUSTED_PIXELS = 1 << 24
"""A size up to this is believed as claimed: a wrong claim costs little and the decoder finds it out."""

MAX_COMPRESSION = 1100
"""Deflate cannot exceed 1032:1; beyond this a large image cannot be in the file."""

MAX_FILE_BYTES = 4 << 30

PIXEL_SIZES_UM = (0.01, 20.0)
"""A resolution tag outside of this range speaks of a screen or a printer (72 dpi), not of a microscope."""
OME_SIZES_UM = (0.001, 100.0)
"""OME-XML says whose size it is; outside of this range it is a slip."""

UM_PER_UNIT = {
    "pm": 1e-6, "Å": 1e-4, "nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "mm": 1e3,
    "cm": 1e4, "m": 1e6,
}  # fmt: skip

_OWN_OUTPUT = re.compile(r".*_(?:labels(?:-\d+)?\.tif|overlay(?:-\d+)?\.png)", re.DOTALL)
"""Names of label images and overlays that dapiscope wrote, the second and third of a name included."""

# tifffile reports oddities of a file through logging, which without a handler prints them on stderr.
_tifffile_log = logging.getLogger("tifffile")
_tifffile_log.addHandler(logging.NullHandler())
_tifffile_log.propagate = False


@dataclass(frozen=True, slots=True, eq=False)
class StillImage:
    """One image plane and what its file says of it.

    Attributes
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W)
        Read-only.
    pixel_size_um : float or None
        µm per pixel where the file's own metadata give a plausible one (OME, ImageJ or TIFF resolution).
    pixel_format : str
        One of `app.frame.BITS`: as the file declares it; 16-bit data that stay below 4096 count as Mono12.
    planes : int
        Planes in the file; the first is the one that was read.
    note : str
        What was done beyond reading, e.g. ``"first of 9 planes"`` or ``"RGB: largest channel"``; else empty.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    pixel_size_um: float | None
    pixel_format: str
    planes: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    pixels: NDArray[Any]
    planes: int = 1
    pixel_size_um: float | None = None
    bits: int | None = None
    white: int | None = None
    note: str = ""


def read_image(path: Path | str) -> StillImage:
    """Read the first plane of an image file as grey values.

    Parameters
    ----------
    path : Path or str
        A PNG, JPEG or TIFF file (OME-TIFF and ImageJ included) of 1 to 16 bits, grey, palette or RGB.

    Returns
    -------
    StillImage

    Raises
    ------
    BadImageError
        The file is missing, empty, no image, damaged, absurdly large, or not of whole numbers up to 65535.
    """
    path = Path(path)
    decoded = _decode(path)
    pixels, note = _to_grey(decoded.pixels, path)
    pixels = _to_depth(pixels, path)
    if decoded.white is not None:
        pixels = np.subtract(decoded.white, pixels, dtype=pixels.dtype)
    if decoded.planes > 1:
        note = "; ".join(filter(None, (f"first of {decoded.planes} planes", note)))
    note = "; ".join(filter(None, (note, decoded.note)))
    return StillImage(
        read_only(np.ascontiguousarray(pixels)),
        decoded.pixel_size_um,
        pixel_format(pixels, decoded.bits),
        decoded.planes,
        note,
    )


def read_frame(path: Path | str, index: int = 0) -> Frame:
    """Read an image file as a `Frame`; exposure, gain and light are unknown.

    Raises
    ------
    BadImageError
        See `read_image`.
    """
    return as_frame(read_image(path), Path(path), index)


def as_frame(image: StillImage, path: Path, index: int = 0) -> Frame:
    """Return an image that was read from `path` as a `Frame`."""
    return Frame(
        pixels=image.pixels,
        index=index,
        exposure_end_s=0.0,
        unix_time_s=0.0,
        exposure_ms=None,
        gain_db=None,
        pixel_format=image.pixel_format,
        pixel_size_um=image.pixel_size_um,
        source=str(path),
        name=path.name,
    )


def read_labels(path: Path | str) -> NDArray[np.int32]:
    """Read a label image: 0 background, 1…N objects.

    Returns
    -------
    ndarray of int32, shape (H, W)

    Raises
    ------
    BadImageError
        The file cannot be read, or is no grey image of whole numbers.
    """
    path = Path(path)
    pixels = _decode(path).pixels
    if pixels.ndim != 2 or pixels.dtype.kind not in "uib":
        raise BadImageError(f"{path} is no label image: save it as grey 8-, 16- or 32-bit whole numbers.")
    if pixels.size and (int(pixels.min()) < 0 or int(pixels.max()) > np.iinfo(np.int32).max):
        raise BadImageError(f"{path} is no label image: its numbers must lie between 0 and 2147483647.")
    return pixels.astype(np.int32)


def split_name(name: str) -> tuple[str, str]:
    """Return (stem, suffix) with ``.ome.tif``, ``.ome.tiff`` and ``.ome.zarr`` taken as one suffix."""
    for suffix in (".ome.tif", ".ome.tiff", ".ome.zarr"):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    path = Path(name)
    return path.stem, path.suffix


def derived_stem(picture: str, frame: Frame) -> str:
    """Return how the names of all files begin that are made of `frame`, of the file by the name of `picture`.

    It is that name without its suffix, and the number of the frame if it is one of several in its file.
    """
    stem = split_name(picture)[0]
    several = (frame.index and not frame.name) or frame.name.startswith(f"{stem} (")
    return f"{stem}-frame{frame.index}" if several else stem


def expand_paths(paths: Iterable[Path]) -> list[Path]:
    """Return `paths` with each folder replaced by the image files directly in it, in name order.

    Hidden files and what dapiscope itself wrote (``*_labels.tif``, ``*_overlay-2.png``…) are left out; files stay as
    given, even those that do not exist, as do links that lead nowhere: reading them says so.

    Raises
    ------
    BadImageError
        A folder cannot be listed, or there is no image in it.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            inside = sorted(entry for entry in path.iterdir() if _is_image_name(entry) and _may_be_file(entry))
        except OSError as error:
            raise BadImageError(
                f"The folder {path} cannot be read ({error.strerror}): check its permissions."
            ) from None
        if not inside:
            raise BadImageError(f"There is no PNG, JPEG or TIFF image in {path}: choose another folder.")
        files.extend(inside)
    return files


def _may_be_file(path: Path) -> bool:
    return path.is_file() or (path.is_symlink() and not path.exists())


def _is_image_name(path: Path) -> bool:
    named = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return named and not _OWN_OUTPUT.fullmatch(path.name)


def _decode(path: Path) -> _Decoded:
    head = _first_bytes(path)
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return _decode_png(path)
        if head.startswith(b"\xff\xd8\xff"):
            return _decode_jpeg(path)
        if head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
            return _decode_tiff(path)
    except OSError as error:  # it could be opened a moment ago
        raise BadImageError(f"{path} cannot be read ({_short(error)}): check its disk or the network.") from None
    raise BadImageError(f"{path} is no PNG, JPEG or TIFF image: choose another file.")


def _first_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BadImageError(f"{path} is a folder: name a file in it.")
        if path.exists() and not path.is_file():
            raise BadImageError(f"{path} is no regular file: choose another.")
        with path.open("rb") as file:
            head = file.read(32)
        size = path.stat().st_size
    except FileNotFoundError:
        raise BadImageError(f"{path} does not exist: check the path.") from None
    except (OSError, ValueError) as error:
        raise BadImageError(f"{path} cannot be opened ({_short(error)}): check its name and permissions.") from None
    if not head:
        raise BadImageError(f"{path} is empty: save or copy it again.")
    if size > MAX_FILE_BYTES:
        raise BadImageError(f"{path} is larger than {MAX_FILE_BYTES >> 30} GB: split it.")
    return head


def _decode_png(path: Path) -> _Decoded:
    data = path.read_bytes()
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise _damaged(path)
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    _check_claim(path, height, width, max(1, depth // 8) * (1 if kind in {0, 3} else 3), len(data))
    try:
        return _Decoded(np.asarray(imagecodecs.png_decode(data)))
    except (RuntimeError, ValueError, MemoryError) as error:
        raise _damaged(path) from error


def _decode_jpeg(path: Path) -> _Decoded:
    data = path.read_bytes()
    size = _jpeg_size(data)
    # The decoder fills a cut file with grey in silence; the marker that ends every whole file is then missing.
    if size is None or data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise _damaged(path)
    _check_claim(path, size[0], size[1], 1, len(data))
    try:
        return _Decoded(np.asarray(imagecodecs.jpeg8_decode(data)))
    except (RuntimeError, ValueError, MemoryError) as error:
        raise _damaged(path) from error


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (height, width) from the first frame header, None when there is none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return int(height), int(width)
        else:
            at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    return None


def _decode_tiff(path: Path) -> _Decoded:
    # A damaged TIFF makes tifffile fail in ways of every kind, deep inside of it: here they all mean one thing.
    try:
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[0]
            pixels = _raw_page(page, path)
            size_um, bits, note = tiff_metadata(tif, page)
            planes = count_planes(tif)
            white = _inverted_white(page, pixels)
    except BadImageError:
        raise
    except MemoryError as error:
        raise BadImageError(f"{path} needs more memory than there is: crop it.") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise  # the disk's, and not what a damaged file makes tifffile ask of it
        raise _damaged(path) from error
    return _Decoded(pixels, planes, size_um, bits, white=white, note=note)


def count_planes(tif: Any) -> int:
    """Return how many planes a TIFF file that is open has; of ImageJ's, several may hide behind one directory."""
    pages = len(tif.pages)
    # Asking for the series of an OME file may open other files.
    if pages > 1 or tif.is_ome:
        return pages
    try:
        return max(1, int(tif.series[0].size) // max(1, int(np.prod(tif.pages[0].shape, dtype=np.int64))))
    except Exception:  # noqa: BLE001 what a damaged description says of others costs the first plane nothing
        return pages


def read_page(page: Any, path: Path, bits: int | None = None) -> tuple[NDArray[Any], str]:
    """Read one page of a TIFF file that is open, as `read_image` would.

    Parameters
    ----------
    page : tifffile.TiffPage
    path : Path
        Of its file, for the message.
    bits : int, optional
        Significant bits, where the file says so elsewhere.

    Returns
    -------
    ndarray of uint8 or uint16, shape (H, W)
    str
        The pixel format, one of `BITS`.

    Raises
    ------
    BadImageError
    """
    try:
        raw = _raw_page(page, path)
    except BadImageError:
        raise
    except MemoryError as error:
        raise BadImageError(f"{path} needs more memory than there is: crop it.") from error
    except Exception as error:
        raise _damaged(path) from error
    pixels = _to_depth(_to_grey(raw, path)[0], path)
    if (white := _inverted_white(page, raw)) is not None:
        pixels = np.subtract(white, pixels, dtype=pixels.dtype)
    return read_only(np.ascontiguousarray(pixels)), pixel_format(pixels, bits)


def _raw_page(page: Any, path: Path) -> NDArray[Any]:
    samples = max(1, int(page.samplesperpixel))
    item = max(1, int(page.bitspersample) // 8)
    size = path.stat().st_size
    _check_claim(path, int(page.imagelength), int(page.imagewidth), samples * item, size)
    _check_segments(path, page, size)
    pixels = np.asarray(page.asarray())
    if int(page.photometric) == 3 and page.colormap is not None:
        return _through_palette(pixels, np.asarray(page.colormap))
    if int(page.planarconfig) == 2 and pixels.ndim == 3:
        return np.moveaxis(pixels, 0, -1)
    return pixels


def _inverted_white(page: Any, pixels: NDArray[Any]) -> int | None:
    """Return the grey value from which those of a page count down whose zero is white; None of other pages."""
    if int(page.photometric) != 0 or pixels.dtype.kind not in "ub":
        return None
    if pixels.dtype.kind == "b":
        return 255  # as `_to_depth` has them
    return int((1 << min(int(page.bitspersample), 16)) - 1)


def _check_segments(path: Path, page: Any, size: int) -> None:
    """Refuse a page whose strips or tiles do not all lie within the file."""
    offsets, counts = np.asarray(page.dataoffsets, np.int64), np.asarray(page.databytecounts, np.int64)
    if not counts.size or counts.size != offsets.size or not counts.any() or ((offsets + counts) > size).any():
        raise _damaged(path)


def _check_claim(path: Path, height: int, width: int, bytes_per_pixel: int, size: int) -> None:
    pixels = height * width
    if pixels == 0:
        raise BadImageError(f"{path} has no pixels ({width}×{height}): save it again.")
    if pixels > TRUSTED_PIXELS and pixels * bytes_per_pixel > MAX_COMPRESSION * size:
        claim = f"its header claims {width}×{height} pixels, which cannot be in {size} bytes"
        raise BadImageError(f"{path} is damaged ({claim}): save or copy it again.")
    if pixels > MAX_PIXELS:
        raise BadImageError(f"{path} is too large ({width}×{height} pixels): crop it into parts.")


def _through_palette(pixels: NDArray[Any], palette: NDArray[Any]) -> NDArray[Any]:
    """Return the colours of palette indices, (H, W, 3) uint8."""
    colours = np.asarray(palette, np.uint32).reshape(3, -1) // 257
    return np.moveaxis(colours.astype(np.uint8)[:, np.minimum(pixels, colours.shape[1] - 1)], 0, -1)


def tiff_metadata(tif: Any, page: Any) -> tuple[float | None, int | None, str]:
    """Return the pixel size in µm and the significant bits, each None where the file does not say, and a note.

    A pixel that is not square has no one size: that is None too, and the note says so.
    """
    size_um: _Size = None
    bits: int | None = None
    limits = OME_SIZES_UM
    if tif.is_ome and tif.ome_metadata:
        size_um, bits = _ome_metadata(tif.ome_metadata)
    if size_um is None and "XResolution" in page.tags:
        size_um, limits = _resolution_um(tif, page), PIXEL_SIZES_UM
    if size_um is None or not all(limits[0] <= side <= limits[1] for side in size_um):
        return None, bits, ""
    if not is_square(*size_um):
        return None, bits, f"pixels of {size_um[0]:g} by {size_um[1]:g} µm, not square: their size is left out"
    return size_um[0], bits, ""


def is_square(width_um: float, height_um: float) -> bool:
    """Tell whether a pixel of these sides is as wide as high, but for rounding."""
    return abs(width_um - height_um) <= 0.01 * max(width_um, height_um)


_Size = tuple[float, float] | None
"""Width and height of a pixel in µm."""


def _ome_metadata(xml: str) -> tuple[_Size, int | None]:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None, None
    for element in root.iter():
        if element.tag.rsplit("}", 1)[-1] == "Pixels":
            width, height = (_ome_side(element, axis) for axis in "XY")
            bits = element.get("SignificantBits", "")
            return (width, height or width) if width else None, int(bits) if bits.isdigit() else None
    return None, None


def _ome_side(pixels: ElementTree.Element, axis: str) -> float | None:
    size = _positive(pixels.get(f"PhysicalSize{axis}"))
    factor = UM_PER_UNIT.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    return size * factor if size and factor else None


def _resolution_um(tif: Any, page: Any) -> _Size:
    if tif.is_imagej:
        unit = str((tif.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ").strip().lower()
        unit_um = UM_PER_UNIT.get(unit)
    else:
        # Tag 296: 2 inch, 3 centimetre; 1 means that the numbers are a mere aspect ratio.
        unit_um = {2: 25_400.0, 3: 10_000.0}.get(int(page.resolutionunit))
    tags = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    ratios = [_ratio(tag.value) for tag in tags if tag is not None]
    if unit_um is None or any(top <= 0 or bottom <= 0 for top, bottom in ratios):
        return None
    sides = [bottom / top * unit_um for top, bottom in ratios]
    return sides[0], sides[-1]


def _ratio(value: Any) -> tuple[float, float]:
    """Return numerator and denominator of a resolution; that a writer may have given as a plain number."""
    top, bottom, *_ = (*value, 1) if isinstance(value, tuple) else (value, 1)
    return (top, bottom) if math.isfinite(top) and math.isfinite(bottom) else (0, 1)


def _positive(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d*\.?\d+(?:[eE][+-]?\d+)?\s*", text):
        return None
    value = float(text)
    return value if 0 < value < float("inf") else None


def _to_grey(pixels: NDArray[Any], path: Path) -> tuple[NDArray[Any], str]:
    while pixels.ndim > 2 and pixels.shape[-1] not in {1, 2, 3, 4}:
        pixels = pixels[0]
    if pixels.ndim == 2:
        return pixels, ""
    if pixels.ndim != 3:
        raise BadImageError(f"{path} is no single image plane: save one plane as PNG or TIFF.")
    colours = {1: 1, 2: 1, 3: 3, 4: 3}[pixels.shape[-1]]
    if colours == 1:
        return pixels[..., 0], ""
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2]), "RGB: largest channel"


def _to_depth(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return `pixels` as native uint8 or uint16, values unchanged."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind not in "ui":
        raise BadImageError(
            f"{path} holds {pixels.dtype} numbers, whose full scale is unknown: save it as an 8- or 16-bit image."
        )
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if int(pixels.min()) < 0 or int(pixels.max()) > 65535:
        raise BadImageError(f"{path} holds values outside 0…65535: save it as an 8- or 16-bit image.")
    return pixels.astype(np.uint16)


def pixel_format(pixels: NDArray[Any], bits: int | None = None) -> str:
    """Return which of `BITS` uint8 or uint16 `pixels` are, with `bits` where the file says how many count."""
    if pixels.dtype == np.uint8:
        return "Mono8"
    largest = int(pixels.max())
    declared = f"Mono{bits}"
    if bits and bits > 8 and declared in BITS and largest < 1 << bits:
        return declared
    return "Mono12" if largest < 4096 else "Mono16"


def _damaged(path: Path) -> BadImageError:
    return BadImageError(f"{path} is damaged or incomplete: save or copy it again.")


def _short(error: Exception) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
