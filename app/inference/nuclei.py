"""One network output to its nuclei, as the card asks for it: pieces, which are parts of one, and scores. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.instances import Instances, find, relief
from app.inference.joining import best
from app.inference.model_card import ModelCard
from app.inference.score import candidates, least_likely, probability

Output = NDArray[np.float32] | NDArray[np.uint8]
"""What a network gives, (C, h, w): 0…1, or in its 8-bit variant as 0…255."""


def nuclei_in(output: Output, card: ModelCard, coarse: float = 1.0) -> Instances:
    """Return the nuclei in one network output, shape (C, h, w), with how likely each is one for scores.

    `coarse` tells how many times coarser than the model's scale the image was.
    """
    decoding = _decoding(card.decode, coarse)
    if card.score is None:
        pieces = find(output, decoding)
        return replace(pieces, labels=pieces.labels.astype(np.int32, copy=False))
    cut_along = relief(output, decoding)
    pieces = find(output, decoding, cut_along)
    nominal_area_px = np.pi / 4 * (card.input.nucleus_diameter_px / coarse) ** 2
    # A field too large for the model's scale has thousands: there is no time to ask which of them are parts of one.
    tree, seen = candidates(output, pieces, cut_along if coarse == 1.0 else None, nominal_area_px)
    likely = probability(seen, card.score)
    nucleus, chosen = best(tree, likely, least_likely(card.score, pieces))
    return pieces.joined(nucleus, likely[chosen])


def _decoding(params: Mapping[str, Any], coarse: float) -> Mapping[str, Any]:
    """Return the card's decoding for an image `coarse` times coarser than the model's scale."""
    if coarse == 1.0:
        return params
    scaled = dict(params)
    cores = np.atleast_1d(params.get("core", ()))
    if len(cores) > 1:
        scaled["core"] = float(np.median(cores))  # pieces are not joined there: cut once
    for name in ("min_area", "coreless_area", "min_core_area"):
        if name in params:
            scaled[name] = max(1, round(params[name] / coarse**2))
    if "steps" in params:
        scaled["steps"] = max(1, round(params["steps"] / coarse))
    return scaled
