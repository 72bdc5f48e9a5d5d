"""The window's pure parts: geometry, contrast, focus, overlays, series, presets."""

import dataclasses
import math

import numpy as np
import pytest
from gui_fake_session import LIMITS, make_frame, make_result
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QImage, QPainter

from app.display import Contrast, View, render
from app.errors import FileError
from app.frame import Light
from app.gui import geometry
from app.gui.composer import OVERLAY_MAX_LAG, Look, belongs, compose, matches
from app.gui.contrast import ContrastBook, auto_exposure, auto_fractions, brightness, exposure_advice
from app.gui.focus import PeakHold, sharpness
from app.gui.overlay_paint import ColorBy, OverlayPainter, OverlayStyle, paint_overlay, ramp_colors
from app.gui.panels.charts import Series, distribution
from app.gui.panels.histogram import bar_heights
from app.gui.presets import USUAL, Preset, merged, read_presets, with_preset, without_preset, write_presets
from app.gui.viewer_paint import Badge, paint_badges

sizes = st.integers(1, 5000)


# --- geometry --------------------------------------------------------------------------------------------------------


@given(sizes, sizes, sizes, sizes)
def test_a_fitted_frame_is_wholly_in_view_unless_it_is_too_small_to_draw(fw, fh, ww, wh):
    placement = geometry.fit((fw, fh), (ww, wh))
    if placement.scale > geometry.MIN_SCALE:
        assert placement.visible() == (0, 0, fw, fh)
        width, height = placement.picture_size()
        assert width <= ww + 1 and height <= wh + 1


@given(st.floats(0, 640), st.floats(0, 480), st.floats(0.2, 8), st.floats(-300, 300), st.floats(-300, 300))
def test_positions_go_there_and_back(x, y, factor, dx, dy):
    placement = geometry.panned(geometry.zoomed(geometry.fit((640, 480), (800, 600)), factor), dx, dy)
    assert placement.to_frame(*placement.to_widget(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(st.floats(0, 800), st.floats(0, 600), st.floats(1, 4))
def test_zooming_in_keeps_what_is_under_the_pointer(x, y, factor):
    before = geometry.fit((640, 480), (800, 600))
    after = geometry.zoomed(before, factor, (x, y))
    assert after.to_frame(x, y) == pytest.approx(before.to_frame(x, y), abs=1e-6)


@given(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_the_picture_cannot_be_lost(dx, dy):
    x, y, width, height = geometry.panned(geometry.fit((640, 480), (800, 600)), dx, dy).visible()
    assert 0 <= x < 640 and 0 <= y < 480 and width >= 1 and height >= 1 and x + width <= 640 and y + height <= 480


def test_a_new_frame_size_is_fitted_and_a_zoomed_view_keeps_its_place_as_the_window_grows():
    zoomed = geometry.zoomed(geometry.fit((640, 480), (800, 600)), 3)
    assert geometry.resized(zoomed, (640, 480), (1000, 700)).center == zoomed.center
    assert geometry.resized(zoomed, (320, 240), (800, 600)).fitted


@given(st.floats(1e-3, 100), st.floats(40, 2000))
def test_a_scale_bar_is_round_and_fits(um_per_px, room):
    um, px = geometry.scale_bar(um_per_px, room)
    assert px <= room * (1 + 1e-6) and px >= room / 2.6
    mantissa = um / 10 ** math.floor(math.log10(um) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-6
    assert um / px == pytest.approx(um_per_px)


@pytest.mark.parametrize(("um", "text"), [(0.5, "500 nm"), (1, "1 µm"), (50, "50 µm"), (1000, "1 mm"), (2000, "2 mm")])
def test_lengths_have_the_unit_people_use(um, text):
    assert geometry.length_text(um) == text


def test_a_scale_bar_needs_a_pixel_size():
    with pytest.raises(ValueError, match="pixel size"):
        geometry.scale_bar(0, 100)


# --- contrast --------------------------------------------------------------------------------------------------------


def test_auto_contrast_takes_the_tails_off_and_leaves_an_empty_field_empty():
    histogram = np.zeros(256, np.int64)
    histogram[10:101] = 1000
    low, high = auto_fractions(histogram)
    assert (low * 256, high * 256) == pytest.approx((10, 101), abs=1.01)
    empty = np.zeros(256, np.int64)
    empty[5] = 100_000
    low, high = auto_fractions(empty)
    assert (high - low) * 256 >= 8


def test_contrast_outlives_a_change_of_bit_depth_and_a_restart():
    book = ContrastBook()
    book.fix("405", 0.125, 0.5)
    assert book.contrast("405", 255) == Contrast(32, 128)
    assert book.contrast("405", 4095) == Contrast(512, 2048)
    assert book.contrast("488", 255) == Contrast()
    assert ContrastBook.from_text(book.as_text()) == book
    assert ContrastBook.from_text("405=x;=0,1;488=0.9,0.1;532").levels == {}


def test_brightness_is_the_mean_grey_value():
    frame = make_frame()
    picture = render(frame, View(), Contrast())
    assert brightness(picture.histogram, 255) == pytest.approx(frame.pixels[::8, ::8].mean())
    assert brightness(np.zeros(256, np.int64), 255) == 0


def test_advice_names_saturation_before_dimness():
    dim = np.zeros(256, np.int64)
    dim[3] = 1000
    fine = np.zeros(256, np.int64)
    fine[100] = 1000
    assert exposure_advice(dim, 0.0) == "dim"
    assert exposure_advice(fine, 0.0) == ""
    assert exposure_advice(fine, 0.01) == "saturated"


def test_auto_exposure_prefers_time_to_gain_and_backs_off_from_saturation():
    at = np.zeros((256, 256), np.int64)
    np.fill_diagonal(at, 1000)
    assert auto_exposure(at[170], 0.0, 20.0, 0.0, LIMITS) == pytest.approx((20.0, 0.0), abs=0.1)
    assert auto_exposure(at[84], 0.0, 20.0, 0.0, LIMITS)[0] == pytest.approx(40, rel=0.02)
    exposure, gain = auto_exposure(at[21], 0.0, 60.0, 0.0, LIMITS)
    assert exposure == 100 and 12 < gain <= 18
    assert auto_exposure(at[255], 0.2, 20.0, 6.0, LIMITS) == pytest.approx((20 * 10**0.3 / 4, 0.0), rel=0.01)
    exposure, gain = auto_exposure(at[84], 0.0, 20.0, 0.0, LIMITS, longest_ms=20.0)
    assert exposure == 20 and gain == pytest.approx(6, abs=0.2)


# --- focus -----------------------------------------------------------------------------------------------------------


def test_blur_lowers_sharpness_and_light_does_not_raise_it():
    import cv2

    rng = np.random.default_rng(3)
    field = cv2.GaussianBlur(rng.random((600, 800)).astype(np.float32), (0, 0), 4)
    field = np.clip((field - field.min()) / (field.max() - field.min()), 0, 1)
    sharp = [sharpness((cv2.GaussianBlur(field, (0, 0), s) * 2000).astype(np.uint16)) for s in (0.1, 4, 8, 16)]
    assert sharp == sorted(sharp, reverse=True)
    assert sharpness((field * 1000).astype(np.uint16)) == pytest.approx(sharp[0], rel=0.1)
    coarse, fine = (field * 60).astype(np.uint8), (field * 60 * 4095 / 255).astype(np.uint16)
    assert sharpness(fine, 4095) == pytest.approx(sharpness(coarse), rel=0.05)
    assert sharpness(np.full((600, 800), 7, np.uint8)) == 0
    assert sharpness(np.zeros((4, 4), np.uint8)) == 0


def test_the_peak_is_held_until_it_is_reset():
    hold = PeakHold()
    for value in (1.0, 5.0, 5.0, 5.0, 1.0, 1.0):
        hold.add(value)
    assert hold.peak > hold.value and 0 < hold.fraction < 1
    hold.reset()
    assert hold.fraction == 0


# --- overlay ---------------------------------------------------------------------------------------------------------


def alpha_of(overlay):
    return overlay >> 24


def test_an_overlay_lies_on_its_nuclei_and_nowhere_else():
    result = make_result(make_frame())
    overlay = paint_overlay(result, (0, 0, 640, 480), (640, 480), OverlayStyle())
    alpha = alpha_of(overlay)
    assert alpha[130, 130] > 0 and alpha[340, 440] > 0
    assert alpha[240, 250] == 0 and alpha[5, 5] == 0
    assert alpha[100, 130] > 2 * alpha[130, 130]  # the outline is stronger than the fill
    premultiplied = overlay.view(np.uint8).reshape(480, 640, 4)
    assert (premultiplied[..., :3] <= premultiplied[..., 3:]).all()


@pytest.mark.parametrize("region", [(0, 0, 640, 480), (80, 80, 200, 150), (399, 299, 100, 90)])
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_an_overlay_lies_right_at_every_zoom(region, scale):
    result = make_result(make_frame())
    x, y, width, height = region
    size = (round(width * scale), round(height * scale))
    alpha = alpha_of(paint_overlay(result, region, size, OverlayStyle(contour=False))) > 0
    truth = np.zeros((480, 640), bool)
    truth[100:160, 100:160] = truth[300:380, 400:480] = True
    rows = np.clip(((np.arange(size[1]) + 0.5) / scale + y).astype(int), 0, 479)
    columns = np.clip(((np.arange(size[0]) + 0.5) / scale + x).astype(int), 0, 639)
    expected = truth[np.ix_(rows, columns)]
    both, either = (alpha & expected).sum(), (alpha | expected).sum()
    assert both / max(either, 1) > 0.88 or not expected.any()


def test_touching_nuclei_are_parted_by_a_line():
    frame = make_frame()
    result = make_result(frame)
    result.labels[50:80, 80:110] = 2
    alpha = alpha_of(paint_overlay(result, (0, 0, 640, 480), (640, 480), OverlayStyle()))
    assert alpha[130, 156:164].max() > 3 * alpha[130, 130]


def test_an_overlay_is_painted_again_only_when_something_about_it_changed():
    result, style, marked = make_result(make_frame()), OverlayStyle(), np.array([1], np.int32)
    whole, size = (0, 0, 640, 480), (64, 48)
    painter = OverlayPainter()
    kept = painter.paint(result, whole, size, style)
    assert painter.paint(result, whole, size, style) is kept
    changes = [
        (make_result(make_frame()), whole, size, style),
        (result, (0, 0, 320, 240), size, style),
        (result, whole, (128, 96), style),
        (result, whole, size, style.with_(fill=False)),
        (result, whole, size, style.with_(shown=False)),
        (result, whole, size, style, marked),
        (result, whole, size, style, marked.copy()),
        (result, whole, size, style),
    ]
    for change in changes:
        before, painted = kept, painter.paint(*change)
        kept = painted
        assert painted is not before
        fresh = paint_overlay(*change)
        assert (painted is None and fresh is None) or (painted == fresh).all()


def test_nothing_is_painted_for_nothing():
    result = make_result(make_frame())
    region, size = (0, 0, 640, 480), (64, 48)
    assert paint_overlay(result, region, size, OverlayStyle(shown=False)) is None
    assert paint_overlay(result, region, size, OverlayStyle(contour=False, fill=False)) is None


@pytest.mark.parametrize("color_by", [ColorBy.AREA, ColorBy.INTENSITY, ColorBy.SCORE])
def test_colours_tell_high_from_low(color_by):
    result = make_result(make_frame())
    overlay = paint_overlay(result, (0, 0, 640, 480), (640, 480), OverlayStyle(color_by=color_by, opacity=1.0))
    pixels = overlay.view(np.uint8).reshape(480, 640, 4).astype(int)
    one, two = pixels[100, 130, :3], pixels[300, 440, :3]
    assert abs(one - two).sum() > 60


def test_the_ramp_copes_with_equal_and_with_no_values():
    assert ramp_colors(np.zeros(0, np.float32)).shape == (0, 3)
    assert ramp_colors(np.full(3, 7, np.float32)).shape == (3, 3)


# --- composing -------------------------------------------------------------------------------------------------------


def test_a_result_is_drawn_over_its_own_frame_and_close_successors_only():
    frame = make_frame(100)
    assert matches(frame, make_result(frame))
    assert matches(make_frame(100 + OVERLAY_MAX_LAG), make_result(frame))
    assert not matches(make_frame(101 + OVERLAY_MAX_LAG), make_result(frame))
    assert not matches(make_frame(99), make_result(frame))
    assert not matches(make_frame(100, source="another"), make_result(frame))
    assert not matches(frame, None)
    later = {age: dataclasses.replace(frame, index=101, exposure_end_s=frame.exposure_end_s + age) for age in (3, 60)}
    assert matches(later[3], make_result(frame))  # a slow machine takes seconds for a count
    assert not matches(later[60], make_result(frame))


def test_a_picture_that_is_mostly_at_zero_is_not_painted_blue():
    frame = make_frame(fill=0)
    picture = render(frame, View(size=(640, 480)), Contrast(0, 256))
    assert picture.dark_fraction > 0.5
    pixels = compose(picture, None, Look(), np.zeros(picture.pixels.shape, np.uint32)).pixels
    assert pixels[-1, -1] & 0xFFFFFF == 0


def test_nuclei_are_drawn_in_the_colour_that_is_asked_for():
    result = make_result(make_frame())
    drawn = paint_overlay(result, (0, 0, 640, 480), (640, 480), OverlayStyle(color=(255, 80, 64), opacity=1.0))
    strongest = drawn.ravel()[np.argmax(drawn.ravel() >> 24)]
    red, green, blue = (int(strongest) >> shift & 255 for shift in (16, 8, 0))
    assert red > 3 * green and red > 3 * blue
