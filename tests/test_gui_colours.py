"""Colours that mean something are told apart by people with any colour vision."""

import itertools

import cv2
import numpy as np
import pytest

from app.gui.composer import _DARK, _SATURATED
from app.gui.overlay_paint import AMBER, MARKED, ramp_steps
from app.gui.theme import DARK, contrast_ratio

# Machado, Oliveira and Fernandes 2009, severity 1; on linear RGB.
VISION = {
    "usual": np.eye(3),
    "without red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "without green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "without blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
LEAST = 20.0
"""CIE76 difference of two colours that nobody mixes up on a thin line."""


def seen_by(rgb, vision) -> np.ndarray:
    """Return the colour in CIE L*a*b* as somebody with that vision has it."""
    srgb = np.asarray(rgb, np.float64) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    kept = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    back = np.where(kept <= 0.0031308, 12.92 * kept, 1.055 * kept ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(back.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2Lab).ravel()


def apart(one, other, vision) -> float:
    return float(np.linalg.norm(seen_by(one, vision) - seen_by(other, vision)))


def hexed(color: str):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


@pytest.mark.parametrize("vision", VISION)
def test_outlines_marks_and_greys_are_told_apart(vision):
    colors = {"nuclei": AMBER, "one model only": MARKED, "saturated": _SATURATED, "at zero": _DARK}
    for (one, a), (other, b) in itertools.combinations(colors.items(), 2):
        assert apart(a, b, vision) >= LEAST, (one, other)
    for grey in range(0, 256, 5):
        for name, color in colors.items():
            if name != "one model only":  # beside a picture of the same place, and its nuclei are bright or dark
                assert apart(color, (grey,) * 3, vision) >= LEAST, (name, grey)


@pytest.mark.parametrize("vision", VISION)
def test_the_ramp_of_colours_grows_brighter_all_the_way(vision):
    light = [float(seen_by(color, vision)[0]) for color in ramp_steps()]
    assert all(b > a for a, b in itertools.pairwise(light)), light
    assert light[-1] - light[0] > 40
    assert contrast_ratio("#{:02x}{:02x}{:02x}".format(*ramp_steps()[0]), "#000000") >= 3


@pytest.mark.parametrize("vision", VISION)
def test_a_warning_is_told_from_what_is_well(vision):
    good, warning, error = (hexed(color) for color in (DARK.good, DARK.warning, DARK.error))
    assert apart(good, warning, vision) >= LEAST and apart(good, error, vision) >= LEAST
