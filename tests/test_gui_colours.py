"""Colours that mean something are told apart by people with any colour vision."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import itertools
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from gui_fake_session import make_frame, make_result
from gui_window import open_later, session, shown, window
from PySide6.QtGui import QColor, QImage, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from app.events import Notice, State, StateChanged
from app.frame import read_only
from app.gui.composer import _DARK, _SATURATED
from app.gui.overlay_paint import AMBER, MARKED, ramp_steps
from app.gui.theme import DARK, RED, THEME, contrast_ratio

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


def red(color: QColor) -> bool:
    """Tell whether a colour is a shade of red, or as dark as black is to eyes used to the dark."""
    r, g, b, _ = color.getRgb()
    return max(r, g, b) <= 40 or (g <= 0.6 * r and b <= 0.6 * r)


def not_red(window) -> dict[str, int]:
    """Return the colours on the screen that are no shade of red, with how many pixels have them."""
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., 2::-1]
    r, g, b = (pixels[..., i].astype(int) for i in range(3))
    wrong = (np.maximum(np.maximum(r, g), b) > 40) & ((g > 0.6 * r) | (b > 0.6 * r))
    colors, times = np.unique(pixels[wrong], axis=0, return_counts=True)
    return {"#{:02x}{:02x}{:02x}".format(*c): int(n) for c, n in zip(colors, times, strict=True)}


def limits_frame(index):
    """Return a frame with saturated pixels, and with pixels at zero."""
    frame = make_frame(index)
    pixels = frame.pixels.copy()
    pixels[200:240, 200:240], pixels[200:240, 300:340] = 255, 0
    return replace(frame, pixels=read_only(pixels))


@pytest.mark.parametrize("scene", ["405", "488", "532", "633", "plan", "layers", "correct", "snapshot"])
def test_the_red_theme_is_red(qtbot, window, session, monkeypatch, scene):
    window.notify(Notice("warning", "This was said before the theme was changed."))
    if scene in ("plan", "layers"):
        window.actions_by_id["plan"].trigger() if scene == "plan" else window.sections["layers"].set_open(True)
        window.layers.refresh()
    if scene == "correct":
        open_later(qtbot, monkeypatch, window, "correction")
        qtbot.waitUntil(lambda: bool(window.correct.bar.isVisible()))
    THEME.set(RED)
    window.actions_by_id["red_theme"].setChecked(True)
    window.view.restyle(window.segmentation.style_now)
    session.ready()
    if scene == "snapshot":
        session.publish(StateChanged(State.SNAPPING))
    elif scene != "correct":
        session.go_live()
        session.shine(scene if scene.isdigit() else "405")
    for index in range(2):
        frame = shown(qtbot, window, session, limits_frame(index))
    session.count(make_result(frame))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.viewer.select_row(0)
    window.presenter.tick()
    qtbot.waitUntil(lambda: not not_red(window), timeout=5000)


def test_every_colour_of_every_widget_is_red_in_the_red_theme(qtbot, window, session):
    window.actions_by_id["plan"].trigger()
    session.ready()
    THEME.set(RED)
    qtbot.wait(1)
    for widget in (window, *window.findChildren(QWidget)):
        palette = widget.palette()
        for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive, QPalette.ColorGroup.Disabled):
            for role in QPalette.ColorRole:
                if role is not QPalette.ColorRole.NColorRoles:
                    color = palette.color(group, role)
                    assert red(color), (widget, group, role, color.name())
        for name in re.findall(r"#[0-9a-fA-F]{6}", widget.styleSheet()):
            assert red(QColor(name)), (widget, name)
    for name in re.findall(r"#[0-9a-fA-F]{6}", QApplication.instance().styleSheet()):
        assert red(QColor(name)), name
