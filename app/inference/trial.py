"""Which way of running a model is the fastest here: each that there is runs it on a picture."""

import os
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.inference.model_card import Model
from app.inference.network import VERSION, Network, available_providers
from app.inference.nuclei import nuclei_in
from app.inference.preprocess import normalise
from app.inference.providers import Choice, Way, cache_file, choose, key_of, ways

TRIAL_SHAPE = (332, 591)
"""(h, w) on which ways to run a network are timed against each other: a live frame at the model's scale."""
TRIALS = 5
"""Runs of each; the fastest counts, so that what else the machine does meanwhile decides little."""


def measured_way(model: Model, file: Path | None = None) -> Choice:
    """Return how this machine runs `model` best: measured at the first time, and kept in `file`; ModelError."""
    there = available_providers()
    cores = os.cpu_count() or 2
    files = "".join((model.sha256, *(variant.sha256 for variant in model.card.variants.values())))
    key = key_of(files, VERSION, there)
    return choose(ways(there, cores, model.variants), lambda way: tried(model, way), key, file or cache_file())


def tried(model: Model, way: Way) -> tuple[float, NDArray[np.int32]]:
    """Return the milliseconds that `way` takes for a live frame, and the labels it finds in `picture`."""
    network = Network(model, way)
    image = picture(model.card.input.nucleus_diameter_px)
    ready = normalise(image, model.card.input.normalisation)
    labels = nuclei_in(network.run(ready), model.card).labels
    times = []
    for _ in range(TRIALS):
        begin, worked = time.perf_counter(), time.process_time()
        network.run(ready)
        times.append(time.perf_counter() - begin)
        if way.on_processor:
            # Where others compute too, waiting for a turn is no fault of the way; its own work is what counts.
            times.append((time.process_time() - worked) / way.threads)
    return min(times) * 1e3, labels


def picture(diameter_px: float) -> NDArray[np.uint8]:
    """Return a picture with blurred disks of the nucleus' size on a noisy ground, shape `TRIAL_SHAPE`."""
    rng = np.random.default_rng(0)
    image = np.zeros(TRIAL_SHAPE, np.float32)
    pitch = 1.5 * diameter_px
    for y in np.arange(pitch, TRIAL_SHAPE[0] - pitch, pitch):
        for x in np.arange(pitch, TRIAL_SHAPE[1] - pitch, pitch):
            radius, grey = int(diameter_px * rng.uniform(0.35, 0.5)), float(rng.uniform(60, 160))
            cv2.circle(image, (int(x), int(y)), radius, grey, -1)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.float32)
    return np.clip(image + rng.normal(12, 2, TRIAL_SHAPE), 0, 255).astype(np.uint8)
