"""A frame in, its nuclei out: scale, normalise, network, decode, measure. Pure but for the network."""

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.frame import Frame, Segmentation
from app.inference.instances import Instances, full
from app.inference.interval import count_interval
from app.inference.measure import (
    BLURRED_EDGE,
    WHITE,
    background_level,
    density_per_mm2,
    edge_steepness,
    light_flag,
    local_contrast,
    measure,
    outline_steepness,
    quality_flags,
)
from app.inference.model_card import Model
from app.inference.network import Network, way_of
from app.inference.nuclei import Output, nuclei_in
from app.inference.overlay import upscale_labels
from app.inference.preprocess import normalise, normaliser
from app.inference.providers import all_cores
from app.inference.refine import refine_labels
from app.inference.runs import runs_of
from app.inference.scale import (
    LARGEST_PX,
    SMALLEST_PX,
    ScaleTracker,
    candidates_px,
    close,
    distinct,
    middle,
    seen,
    to_scale,
)
from app.inference.tiles import Stitcher, tiles
from app.inference.trial import measured_way

WHOLE_PIXELS = 1_500_000
"""Larger images, at the model's scale, are run in tiles of `TILE_PX`."""
TILE_PX = 1024

FACTORS = (0.02, 8.0)
"""Model pixels per image pixel that make sense."""

AGREEMENT = 1.6
"""First guesses at the nucleus size within this ratio of each other agree; others are tried one by one."""
EXPECTED = 1.6
"""Nuclei within this ratio of the nominal size speak for a scale."""

WIDE_OF_FIELD = 0.4
SHARP_EDGE = 0.14
"""Nuclei wider than this part of the field need outlines steeper than this to be believed."""
LARGEST_NUCLEUS, LARGE_NUCLEUS = 4.0, 2.5
"""Diameters over the nominal one: beyond the first nothing is a nucleus, beyond the second only what has an edge."""

SUITED, ENOUGH_TO_JUDGE = (0.8, 1.45), 5
"""Median diameters over the nominal one at which the model is at its best, and from how many nuclei that is judged."""

WIDE_PIXELS = 300_000
"""Larger images, at the model's scale, are run on all cores."""
LIVE_PIXELS = 600_000
"""Live images larger than this, at the model's scale, are counted at a coarser one: 70 ms on one core."""
COARSEST = 2.5
"""But never coarser than this many times the model's scale; at 2.0 F1 falls by 1 % on simulated fields, at 2.5 by 4."""

SAMPLED_LINES = 128
"""Rows and columns, about, on which it is seen whether an image is all white."""

Scaling = Literal["auto"] | float | None


@dataclass(frozen=True, slots=True)
class _Scale:
    """How a frame gets to the model's scale."""

    factor: float
    pixel_size_um: float | None
    source: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class _Trial:
    """What the network saw under the assumption that nuclei are `guess_px` across.

    `measured_px` is the median diameter of what it found (None: nothing); `evidence` the light above the surroundings
    in whole nuclei of about the size it expects, per pixel, times `steepness`: texture and noise have area, but little
    light and no edges.
    `steepness` is the median of `app.inference.measure.edge_steepness`.
    """

    guess_px: float
    measured_px: float | None
    evidence: float
    steepness: float


@dataclass(slots=True)
class _Stopwatch:
    """Milliseconds a step."""

    clock: Callable[[], float] = time.perf_counter
    ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        begin = self.clock()
        yield
        self.ms[step] = self.ms.get(step, 0.0) + (self.clock() - begin) * 1e3


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Nuclei at the model's scale; `foreground` is the network's first channel as 0…255."""

    nuclei: Instances
    foreground: NDArray[np.uint8] | None


class Segmenter:
    """Finds nuclei in frames with one model. Knows nothing of cameras; threads that share it wait for one another.

    Parameters
    ----------
    model : Model
        From `app.inference.model_card.load_model`.
    provider : str
        ``"auto"`` (what `measured_way` found best here), ``"cpu"``, ``"openvino"`` or ``"cuda"``.
    threads : int
        Threads of the network where the provider is named. They never spin while idle, so that the other stages get
        the cores.
    warm_up : (int, int), optional
        (h, w) at the model's scale to run once now, so that the first frame is not slow.

    Raises
    ------
    ModelError
        The file is no runnable model, does not fit its card, or the provider is not there.
    """

    def __init__(
        self,
        model: Model,
        *,
        provider: str = "auto",
        threads: int = 2,
        warm_up: tuple[int, int] | None = None,
    ) -> None:
        self.model = model
        self.way = measured_way(model).way if provider == "auto" else way_of(provider, threads)
        self._network = Network(model, self.way)
        # One core may keep up with usual frames and leave the others to camera, window and disk; fields that it cannot
        # keep up with anyway get them all.
        self._wide_way = all_cores(self.way, os.cpu_count() or 2) if provider == "auto" else None
        self._wide: Network | None = None
        self._plain: Network | None = None
        self._busy = threading.Lock()
        self._input = model.card.input
        if warm_up is not None:
            self._network.run(np.zeros(warm_up, np.float32))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def sha256(self) -> str:
        """The model file's hash."""
        return self.model.sha256

    @property
    def provider_used(self) -> str:
        """What really runs the network: the provider by onnxruntime's name, and the numbers if not 32-bit ones."""
        precision = self.way.precision
        return self._network.provider + (f" {precision}" if precision != "f32" else "")

    def segment(
        self,
        frame: Frame,
        pixel_size_um: Scaling = None,
        *,
        tracker: ScaleTracker | None = None,
        exact: bool = False,
    ) -> Segmentation:
        """Find and measure the nuclei of a frame.

        Parameters
        ----------
        frame : Frame
        pixel_size_um : float, "auto" or None
            µm per pixel of the frame; ``"auto"`` estimates the scale from the size of the nuclei; None takes the
            frame's own pixel size and, where it has none, estimates and flags the result ``"scale unknown"``.
        tracker : ScaleTracker, optional
            Keeps an estimate for the frames of one stream.
        exact : bool
            True gives labels at the frame's full resolution, outlines and measurements included, and looks again at
            a more fitting scale where the nuclei are much smaller or larger than those of the model; False leaves
            both at the model's scale, or for fields larger than `LIVE_PIXELS` at a coarser one (up to `COARSEST`),
            which is what live imaging has time for.

        Returns
        -------
        Segmentation
            Under an estimated scale its `pixel_size_um` is the estimate, and area in µm² and density are given only
            where the frame knows its own pixel size.

        Raises
        ------
        UsageError
            `pixel_size_um` is out of all range.
        ModelError
            The network failed.
        """
        watch = _Stopwatch()
        with self._busy:  # the networks' buffers are used again at every run
            with watch.time("estimate"):
                scale = self._scale_of(frame, pixel_size_um, tracker, exact)
            coarse = 1.0 if exact else coarseness(frame.pixels.size * scale.factor**2)
            with watch.time("scale"):
                image = seen(frame, scale.factor / coarse)
            found = self._find(image, frame.white, watch, exact=exact, coarse=coarse)
            if exact and scale.source != "estimated" and (better := self._suited(found, scale)) is not scale:
                with watch.time("scale"):
                    image = seen(frame, better.factor)
                found = self._find(image, frame.white, watch, exact=True)
        with watch.time("measure"):
            return self._result(frame, image, found, scale, watch, exact, coarse)

    def _result(
        self,
        frame: Frame,
        image: NDArray[Any],
        found: _Found,
        scale: _Scale,
        watch: _Stopwatch,
        exact: bool,
        coarse: float,
    ) -> Segmentation:
        (height, width), (h, w) = frame.shape, image.shape
        zoom = (height / h, width / w)
        size_um = frame.pixel_size_um if scale.source == "estimated" else scale.pixel_size_um
        labels, scores, runs = found.nuclei.labels, found.nuclei.scores, found.nuclei.runs
        sized = functools.partial(measure, pixel_size_um=size_um, white=frame.white)
        total = runs.sums(image, len(scores))
        nuclei = sized(labels, scores, image, zoom=zoom, runs=runs, total=total)
        background = background_level(labels, image)
        steepness = outline_steepness(labels, len(nuclei), image, background, runs, total, sampled=not exact)
        nuclei["out_of_focus"] = steepness < BLURRED_EDGE
        flags = quality_flags(labels, nuclei, image, background, frame.white, steepness)
        if exact and labels.shape != frame.shape:
            labels = self._full_resolution(found, nuclei, frame.shape)
            full = sized(labels, scores, seen(frame, 1.0))
            full["out_of_focus"] = nuclei["out_of_focus"]
            # Two that share a pixel at this resolution: the one that lost it keeps what the model saw of it.
            nuclei = np.where(full["area_px"] > 0, full, nuclei)
            zoom = (1.0, 1.0)
        if scale.unknown:
            flags += ("scale unknown",)
        return Segmentation(
            frame=frame,
            labels=labels,
            zoom=zoom,
            nuclei=nuclei,
            density_per_mm2=density_per_mm2(nuclei, frame.shape, size_um),
            pixel_size_um=scale.pixel_size_um,
            scale_source=scale.source,
            flags=flags + light_flag(frame),
            interval=count_interval(len(nuclei), self.model.card.calibration, float((1 - nuclei["score"]).sum())),
            coarse=coarse,
            timings_ms=watch.ms,
        )

    def _full_resolution(self, found: _Found, nuclei: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.int32]:
        if found.foreground is None:
            labels = upscale_labels(found.nuclei.labels, shape)
        else:
            threshold = float(self.model.card.decode.get("foreground", 0.5))
            labels = refine_labels(found.nuclei.labels, found.foreground, shape, threshold)
        lost = nuclei[runs_of(labels).areas(len(nuclei)) == 0]
        if len(lost):
            # Too small to show up at this resolution: the pixel of its centroid keeps the number.
            labels = labels.copy()
            limit = np.array(shape) - 1
            at = np.rint([lost["y_px"], lost["x_px"]]).astype(np.intp)
            labels[tuple(np.clip(at, 0, limit[:, None]))] = lost["label"]
        return labels

    # --- scale ---------------------------------------------------------------------------------------------------

    def _scale_of(self, frame: Frame, wanted: Scaling, tracker: ScaleTracker | None, exact: bool) -> _Scale:
        model_um = self._input.scale_um
        if isinstance(wanted, int | float):
            if not FACTORS[0] <= wanted / model_um <= FACTORS[1]:
                least, most = (limit * model_um for limit in FACTORS)
                raise UsageError(f"A pixel of {wanted:g} µm is out of range: give {least:.2g} to {most:.2g} µm.")
            return _Scale(wanted / model_um, float(wanted), "given")
        own = frame.pixel_size_um
        if wanted is None and own is not None and FACTORS[0] <= own / model_um <= FACTORS[1]:
            return _Scale(own / model_um, own, "metadata")
        diameter = tracker.get(frame) if tracker else None
        if diameter is None:
            diameter = self._estimate_diameter_px(frame, exact)
            if tracker:
                tracker.put(frame, diameter)
        if diameter is None:
            # Nothing to go by. Large frames are reduced: looking for what is not there must not take seconds.
            factor = min(1.0, (WHOLE_PIXELS / frame.pixels.size) ** 0.5)
            return _Scale(factor, None, "estimated", unknown=True)
        factor = float(np.clip(self._input.nucleus_diameter_px / diameter, *FACTORS))
        return _Scale(factor, model_um * factor, "estimated", unknown=wanted is None)

    def _suited(self, found: _Found, scale: _Scale) -> _Scale:
        """Return `scale`, or where the nuclei of this sample are not as large as the model's, one that suits them.

        Lymphocytes are half as wide as the nuclei the model expects at its pixel size; seen at their own size they
        are found as well as any.
        """
        count = len(found.nuclei.scores)
        if count < ENOUGH_TO_JUDGE:
            return scale
        nominal = self._input.nucleus_diameter_px
        ratio = float(np.median(np.sqrt(found.nuclei.runs.areas(count) * (4 / np.pi)))) / nominal
        if SUITED[0] <= ratio <= SUITED[1]:
            return scale
        factor = float(np.clip(scale.factor * np.clip(1 / ratio, 0.5, 2.0), *FACTORS))
        return replace(scale, factor=factor)

    def _estimate_diameter_px(self, frame: Frame, exact: bool) -> float | None:
        """Return the typical nucleus diameter in pixels of the frame, None where there is none.

        The image alone gives a few first guesses. Where they disagree the network tries each, and the one at which
        it sees most of the light in whole nuclei of the expected size wins. The size of the nuclei found there
        corrects the guess.
        """
        guesses = [guess for guess in candidates_px(frame.pixels) if SMALLEST_PX <= guess <= LARGEST_PX]
        if not guesses:
            return None
        candidates = [float(np.median(guesses))]
        if max(guesses) > AGREEMENT * min(guesses):
            candidates = distinct(guesses)
        best = max((self._try_diameter(frame, guess, exact) for guess in candidates), key=lambda trial: trial.evidence)
        if best.measured_px is not None and not close(best.measured_px, best.guess_px):
            again = self._try_diameter(frame, best.measured_px, exact)
            best = again if again.evidence >= best.evidence else best
        if best.measured_px is None:
            # The network saw nothing at any guess: what the guesses came from are no nuclei.
            return None
        believable = SMALLEST_PX / 1.25 <= best.measured_px <= 1.25 * LARGEST_PX
        if best.measured_px > WIDE_OF_FIELD * min(frame.shape):
            # Most of the field may be one nucleus, or uneven light: a nucleus has an edge.
            believable &= best.steepness > SHARP_EDGE
        return best.measured_px if believable else None

    def _try_diameter(self, frame: Frame, guess_px: float, exact: bool) -> _Trial:
        """Run the network as if the nuclei were `guess_px` across, and measure those it finds."""
        nominal = self._input.nucleus_diameter_px
        factor = float(np.clip(nominal / guess_px, *FACTORS))
        image = to_scale(middle(frame.pixels, WHOLE_PIXELS / factor**2), factor)
        labels = self._find(image, frame.white, _Stopwatch(), exact=exact).nuclei.labels
        areas = np.bincount(labels.ravel())[1:]
        if not areas.size:
            return _Trial(guess_px, None, 0.0, 0.0)
        diameters = 2 * np.sqrt(areas / np.pi)
        whole = np.ones(areas.size, np.bool_)
        border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        whole[border[border > 0] - 1] = False
        expected = whole & (diameters > nominal / EXPECTED) & (diameters < nominal * EXPECTED)
        light = np.nan_to_num(areas * local_contrast(labels, areas.size, image))
        edges = edge_steepness(labels, areas.size, image, float(np.percentile(image, 2)))
        steepness = float(np.nanmedian(edges)) if np.isfinite(edges).any() else 0.0
        evidence = steepness * float(light[expected].sum() / labels.size)
        return _Trial(guess_px, float(np.median(diameters)) / factor, evidence, steepness)

    # --- network -------------------------------------------------------------------------------------------------

    def _find(self, image: NDArray[Any], white: int, watch: _Stopwatch, *, exact: bool, coarse: float = 1.0) -> _Found:
        if blinded(image, white):
            dark = np.zeros(image.shape, np.uint8) if exact else None
            nothing = np.zeros(image.shape, np.int32)
            return _Found(Instances(nothing, np.zeros(0, np.float32), runs_of(nothing)), dark)
        if image.size <= WHOLE_PIXELS:
            with watch.time("normalise"):
                ready = normalise(image, self._input.normalisation, full_scale=white)
            found = self._find_in(ready, watch, exact, coarse)
        else:
            found = self._find_tiled(image, white, watch, exact, coarse)
        with watch.time("decode"):
            return self._without_shading(found, image, self._input.nucleus_diameter_px / coarse)

    def _find_tiled(self, image: NDArray[Any], white: int, watch: _Stopwatch, exact: bool, coarse: float) -> _Found:
        shape = (image.shape[0], image.shape[1])
        stitcher = Stitcher(shape)
        foreground = np.zeros(shape, np.uint8) if exact else None
        multiple = self._input.multiple_of
        overlap = -(-round(6 * self._input.nucleus_diameter_px / coarse) // multiple) * multiple
        with watch.time("normalise"):
            prepare = normaliser(image, self._input.normalisation, full_scale=white)
        for tile in tiles(shape, TILE_PX, overlap):
            with watch.time("normalise"):
                ready = prepare(image[tile.window])
            part = self._find_in(ready, watch, exact, coarse)
            stitcher.add(tile, part.nuclei.labels, part.nuclei.scores)
            if foreground is not None and part.foreground is not None:
                foreground[tile.window] = np.maximum(foreground[tile.window], part.foreground)
        return _Found(Instances(stitcher.labels, stitcher.scores, runs_of(stitcher.labels)), foreground)

    def _without_shading(self, found: _Found, image: NDArray[Any], nominal_px: float) -> _Found:
        """Drop what is far too large for a nucleus: uneven light and smears."""
        nuclei = found.nuclei
        count = len(nuclei.scores)
        if not count:
            return found
        area = nuclei.runs.areas(count)
        diameter = np.sqrt(area * (4 / np.pi)) / nominal_px
        suspect = diameter > LARGE_NUCLEUS
        if not suspect.any():
            return found
        steepness = edge_steepness(nuclei.labels, count, image, float(np.percentile(image, 2)), nuclei.runs)
        wanted = ~suspect | ((diameter <= LARGEST_NUCLEUS) & (steepness > SHARP_EDGE))
        return replace(found, nuclei=nuclei.of(wanted))

    def _find_in(self, ready: NDArray[np.float32], watch: _Stopwatch, exact: bool, coarse: float) -> _Found:
        with watch.time("network"):
            output = self._probabilities(ready, exact)
        with watch.time("decode"):
            nuclei = nuclei_in(output, self.model.card, coarse)
            foreground = cv2.convertScaleAbs(output[0], alpha=255 / full(output)) if exact else None
        return _Found(nuclei, foreground)

    def _network_for(self, pixels: int, exact: bool) -> Network:
        if exact and self.way.precision in self.model.variants:
            # What is kept is counted with the model's own numbers, the same on every machine.
            if self._plain is None:
                self._plain = Network(self.model, replace(self.way, precision="f32"))
            return self._plain
        if self._wide_way is None or pixels <= WIDE_PIXELS:
            return self._network
        if self._wide is None:
            self._wide = Network(self.model, self._wide_way)
        return self._wide

    def _probabilities(self, ready: NDArray[np.float32], exact: bool = False) -> Output:
        """Return the network's output (C, h, w), the mean over the scales and mirror images that the card asks for."""
        if self._input.scales == (1.0,):
            return self._over_views(ready, exact)
        height, width = ready.shape
        mean: NDArray[np.float32] | None = None
        for scale in self._input.scales:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            smaller = ready if scale == 1 else cv2.resize(ready, size, interpolation=cv2.INTER_AREA)
            output = self._over_views(np.asarray(smaller, np.float32), exact)
            if scale != 1:
                output = np.stack([cv2.resize(channel, (width, height)) for channel in output])
            mean = np.asarray(output, np.float32) if mean is None else np.add(mean, output, out=mean)
        assert mean is not None
        mean *= np.float32(1 / len(self._input.scales))
        return mean

    def _over_views(self, ready: NDArray[np.float32], exact: bool) -> Output:
        output = self._network_for(ready.size, exact).run(ready)
        if self._input.views == 1 and self._input.scales == (1.0,):
            return output
        mean = output.astype(np.float32)  # the network will use its buffer again
        mean /= full(output)
        for flips in ((2,), (1,), (1, 2))[: self._input.views - 1]:
            mirrored = np.ascontiguousarray(np.flip(ready, tuple(axis - 1 for axis in flips)))
            seen = self._network_for(ready.size, exact).run(mirrored)
            mean += np.flip(seen, flips) / np.float32(full(seen))
        mean *= np.float32(1 / self._input.views)
        return mean


def blinded(image: NDArray[Any], white: int) -> bool:
    """Return whether most of an image is white: no nucleus can be told from what surrounds it then."""
    sample = image[:: 1 + image.shape[0] // SAMPLED_LINES, :: 1 + image.shape[1] // SAMPLED_LINES]
    return bool(np.count_nonzero(sample >= white * WHITE) > sample.size / 2)


def coarseness(pixels: float) -> float:
    """Return how many times coarser than the model's own scale a live image of so many pixels there is counted."""
    return float(np.clip((pixels / LIVE_PIXELS) ** 0.5, 1.0, COARSEST))
