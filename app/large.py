"""Images too large to have all their labels in memory: tile by tile, and the labels of a row of tiles at a time. Pure.

Tiles overlap by several nuclei. Every nucleus belongs to the one tile in whose core its centroid lies and is painted
whole from there, so that no outline and no count knows where a tile ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.frame import NUCLEUS_DTYPE, Frame, Segmentation, read_only
from app.inference.measure import density_per_mm2, light_flag
from app.inference.segmenter import FACTORS, Segmenter
from app.inference.tiles import SLACK_PX, Tile, spans

LARGE_PIXELS = 1 << 26
"""Images larger than this go tile by tile."""
LARGE_MODEL_PIXELS = 1 << 26
"""And so do those that the model is to see this large: of a low magnification few pixels become many."""
TILE_PX = 3072
"""Side of a tile in pixels of the image…"""
TILE_MODEL_PX = 4096
"""…and at most at the model's scale."""
PROBE_PX = 4096
"""Side of the middle of the image that tells its scale, at the model's where that is larger."""
OVERLAP_NUCLEI = 6
"""Nucleus diameters that neighbouring tiles share."""


def is_large(frame: Frame, segmenter: Segmenter, pixel_size_um: float | Literal["auto"] | None) -> bool:
    """Tell whether an image is to go tile by tile; parameters as of `LargeImage`."""
    if frame.pixels.size > LARGE_PIXELS:
        return True
    factor = _factor(frame, segmenter, pixel_size_um)
    return factor is not None and frame.pixels.size * factor**2 > LARGE_MODEL_PIXELS


def _factor(frame: Frame, segmenter: Segmenter, wanted: float | Literal["auto"] | None) -> float | None:
    """Return how many pixels the model is to see for one of the image; None where that is only estimated."""
    size_um = frame.pixel_size_um if wanted is None else wanted
    factor = size_um / segmenter.model.card.input.scale_um if isinstance(size_um, float) else None
    return factor if factor is not None and FACTORS[0] <= factor <= FACTORS[1] else None


@dataclass(frozen=True, slots=True)
class _Scale:
    pixel_size_um: float
    source: str
    flags: tuple[str, ...]


class LargeImage:
    """One image that is segmented while its labels are being written.

    Parameters
    ----------
    frame : Frame
    segmenter : Segmenter
    pixel_size_um : float, "auto" or None
        See `app.inference.segmenter.Segmenter.segment`.
    tile_px : int
        Side of a tile, pixels of the image.
    """

    def __init__(
        self,
        frame: Frame,
        segmenter: Segmenter,
        pixel_size_um: float | Literal["auto"] | None = None,
        *,
        tile_px: int = TILE_PX,
    ) -> None:
        self._frame, self._segmenter = frame, segmenter
        self._scale = _scale(frame, segmenter, pixel_size_um)
        self._known_um = frame.pixel_size_um if self._scale.source == "estimated" else self._scale.pixel_size_um
        model = segmenter.model.card.input
        factor = self._scale.pixel_size_um / model.scale_um
        self._overlap = round(OVERLAP_NUCLEI * model.nucleus_diameter_px / factor)
        # However large the nuclei are, a tile is mostly its own.
        self._tile = max(min(tile_px, round(TILE_MODEL_PX / factor)), 2 * self._overlap)
        self._tables: list[NDArray[Any]] = []
        self._count = 0
        self._flagged: dict[str, int] = {}

    def rows(self) -> Iterator[NDArray[np.int32]]:
        """Yield the labels from the top down, some rows at a time, all columns, int32; the whole image once."""
        height, width = self._frame.shape
        down = spans(height, self._tile, self._overlap)
        canvas = np.zeros((down[0][0][1], width), np.int32)
        for number, (rows, core_rows) in enumerate(down):
            for columns, core_columns in spans(width, self._tile, self._overlap):
                self._paint(Tile(rows, columns, core_rows, core_columns), canvas)
            if number + 1 == len(down):
                yield canvas
                return
            following = down[number + 1][0]
            finished = following[0] - rows[0]
            yield canvas[:finished]
            fresh = np.zeros((following[1] - following[0], width), np.int32)
            shared = rows[1] - following[0]
            fresh[:shared] = canvas[finished:]
            canvas = fresh

    def result(self) -> Segmentation:
        """Return what was found once `rows` is exhausted; its labels are left out, shape (0, 0)."""
        frame, scale = self._frame, self._scale
        nuclei = np.concatenate(self._tables) if self._tables else np.zeros(0, NUCLEUS_DTYPE)
        return Segmentation(
            frame=frame,
            labels=np.zeros((0, 0), np.int32),
            zoom=(1.0, 1.0),
            nuclei=nuclei,
            density_per_mm2=density_per_mm2(nuclei, frame.shape, self._known_um),
            pixel_size_um=scale.pixel_size_um,
            scale_source=scale.source,
            flags=self._quality() + scale.flags + light_flag(frame),
        )

    def _quality(self) -> tuple[str, ...]:
        """Return the flags under which most of the nuclei stand."""
        if not self._count:
            return ("too dim",)
        return tuple(sorted(flag for flag, nuclei in self._flagged.items() if 2 * nuclei > self._count))

    def _paint(self, tile: Tile, canvas: NDArray[np.int32]) -> None:
        """Segment `tile` and paint its own nuclei on `canvas`, whose first row is the tile's."""
        part = replace(self._frame, pixels=read_only(self._frame.pixels[tile.window]))
        found = self._segmenter.segment(part, self._scale.pixel_size_um, exact=True)
        nuclei = found.nuclei.copy()
        if not len(nuclei):
            return
        nuclei["y_px"] += tile.rows[0]
        nuclei["x_px"] += tile.columns[0]
        region = canvas[:, slice(*tile.columns)]
        drawn = np.bincount(found.labels.ravel(), minlength=len(nuclei) + 1)[1:]
        lost = np.bincount(found.labels[region > 0], minlength=len(nuclei) + 1)[1:]
        mine = _in_core(tile, nuclei) & (drawn > 0) & (2 * lost < drawn)
        table = np.zeros(len(nuclei) + 1, np.int32)
        table[1:][mine] = self._count + np.arange(1, int(mine.sum()) + 1)
        new = table[found.labels]
        np.copyto(region, new, where=(new > 0) & (region == 0))
        own = nuclei[mine]
        own["label"] = table[1:][mine]
        self._count += len(own)
        self._tables.append(self._as_of_the_whole(own, lost[mine], tile))
        for flag in set(found.flags) - {"scale unknown", "light not confirmed"}:
            self._flagged[flag] = self._flagged.get(flag, 0) + len(own)

    def _as_of_the_whole(self, own: NDArray[Any], lost: NDArray[Any], tile: Tile) -> NDArray[Any]:
        """Return a tile's rows with what is different in the whole image put right."""
        height, width = self._frame.shape
        own["area_px"] -= lost
        own["area_um2"] = np.nan if self._known_um is None else own["area_px"] * self._known_um**2
        starts = tile.rows[0] == 0 or tile.columns[0] == 0
        ends = tile.rows[1] == height or tile.columns[1] == width
        if not starts:
            own["counted"] = True
        if not (starts or ends):
            own["touches_edge"] = False
        return own


def _in_core(tile: Tile, nuclei: NDArray[Any]) -> NDArray[np.bool_]:
    (top, bottom), (left, right) = tile.core_rows, tile.core_columns
    y, x = nuclei["y_px"], nuclei["x_px"]
    inside = (y >= top - SLACK_PX) & (y < bottom + SLACK_PX) & (x >= left - SLACK_PX) & (x < right + SLACK_PX)
    return np.asarray(inside, np.bool_)


def _scale(frame: Frame, segmenter: Segmenter, wanted: float | Literal["auto"] | None) -> _Scale:
    """Return the pixel size for all tiles, from the middle of the image where it has to be estimated."""
    height, width = frame.shape
    side = max(1, round(PROBE_PX / max(1.0, _factor(frame, segmenter, wanted) or 1.0)))
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    middle = replace(frame, pixels=read_only(frame.pixels[top : top + side, left : left + side]))
    seen = segmenter.segment(middle, wanted)
    flags = ("scale unknown",) if "scale unknown" in seen.flags else ()
    if seen.pixel_size_um is None:
        # Nothing in the middle to go by: at the model's own scale what there is elsewhere is found if it is found.
        return _Scale(segmenter.model.card.input.scale_um, "estimated", flags)
    return _Scale(seen.pixel_size_um, seen.scale_source, flags)
