"""The window's pure parts: geometry, contrast, focus, overlays, series, presets."""

import dataclasses
import math
import re

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
from app.gui.theme import DARK, style_sheet
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


def test_a_count_belongs_to_no_frame_far_off_in_the_recording_however_soon_it_is_shown():
    counted = dataclasses.replace(make_frame(10), exposure_end_s=100.0, recorded_s=0.4)
    shown = {
        at: dataclasses.replace(counted, index=int(25 * at), exposure_end_s=100.4, recorded_s=at) for at in (1, 36)
    }
    assert belongs(shown[1], make_result(counted))
    assert not belongs(shown[36], make_result(counted)), "a paused replay was sought"
    resumed = dataclasses.replace(shown[1], exposure_end_s=900.0)
    assert belongs(resumed, make_result(counted)), "it stood meanwhile"


@pytest.mark.parametrize(
    ("light", "there"),
    [
        (Light("405", 0.25, True, ""), True),
        (Light("405", 0.50, True, ""), True),
        (Light(None, 0.0, True, ""), False),
        (Light("488", 0.25, True, ""), False),
        (Light(reason="light had just changed"), False),
    ],
    ids=["the same", "brighter", "dark", "another channel", "in doubt"],
)
def test_what_was_found_is_in_later_frames_of_the_same_light_only_and_only_while_frames_flow(light, there):
    result = make_result(make_frame(0))
    later = make_frame(1, light=light)
    assert belongs(later, result) is matches(later, result) is there
    assert not belongs(later, result, flowing=False) and not matches(later, result, flowing=False)
    assert belongs(result.frame, result, flowing=False) and matches(result.frame, result, flowing=False)
    slow = make_frame(2 * OVERLAY_MAX_LAG)
    assert belongs(slow, result) and not matches(slow, result), "a slow count is drawn over no sample that moved on"


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


def test_a_composed_picture_is_grey_with_marks_where_the_sensor_was_full():
    frame = make_frame()
    bright = np.array(frame.pixels)
    bright[200:220, 200:220] = 255
    from dataclasses import replace

    picture = render(replace(frame, pixels=bright), View(size=(640, 480)), Contrast(0, 256))
    composed = compose(picture, None, Look(), np.empty((480, 640), np.uint32))
    b, g, r, _ = composed.pixels.view(np.uint8).reshape(480, 640, 4)[210, 210]
    assert (r, g, b) == (255, 60, 220)
    b, g, r, _ = composed.pixels.view(np.uint8).reshape(480, 640, 4)[130, 130]
    assert r == g == b > 100
    plain = compose(picture, None, Look(mark_limits=False), np.empty((480, 640), np.uint32))
    b, g, r, _ = plain.pixels.view(np.uint8).reshape(480, 640, 4)[210, 210]
    assert r == g == b


def test_a_tint_keeps_black_black():
    picture = render(make_frame(fill=0), View(size=(640, 480)), Contrast(0, 256))
    look = Look(tint=(0, 255, 0), mark_limits=False)
    pixels = compose(picture, None, look, np.empty((480, 640), np.uint32)).pixels.view(np.uint8).reshape(480, 640, 4)
    assert pixels[5, 5, :3].tolist() == [0, 0, 0]
    assert pixels[130, 130, 1] > 100 and pixels[130, 130, 0] == pixels[130, 130, 2] == 0


# --- series, histogram, presets --------------------------------------------------------------------------------------


def test_a_series_keeps_the_whole_run_at_a_bounded_size():
    series = Series(keep=100)
    for index in range(1000):
        series.add(float(index), float(index))
    times, values = series.arrays()
    assert len(series) <= 100 and values[-1] == 999 and times[-1] - times[0] > 900
    assert np.diff(times).max() <= 60, "evenly over the time"
    assert np.isfinite(values).all(), "thinned out, it is still one line"


def test_a_point_comes_where_it_belongs_when_a_replay_goes_back():
    series = Series()
    for moment, value in ((100.0, 5), (100.2, 6), (100.4, 7), (100.2, 8), (100.1, 9)):
        series.add(moment, value)
    times, values = series.arrays()
    assert times.tolist() == pytest.approx([0, 0.1, 0.2, 0.4]) and values.tolist() == [5, 9, 8, 7]


@pytest.mark.parametrize(
    ("moments", "breaks"),
    [
        ([0, 0.2, 0.4, 25.0, 25.2, 25.4], [3]),  # it was dark
        ([0, 0.2, 0.4, 0.9, 1.1], []),  # a count was slow
        ([0, 2, 4, 7, 9], []),  # all of them are
        ([0, 600, 1200, 1800], []),  # a plan
        ([0, 0.2, 5, 5.2, 10], [2, 4]),
        ([0, 30], [1]),
        ([0], []),
        ([], []),
    ],
)
def test_a_line_breaks_where_nothing_was_measured(moments, breaks):
    series = Series()
    for moment in moments:
        series.add(50.0 + moment, 7)
    times, values = series.arrays()
    assert np.flatnonzero(np.isnan(values)).tolist() == [each + number for number, each in enumerate(breaks)]
    assert times[np.isfinite(values)].tolist() == pytest.approx(moments)


def test_a_distribution_leaves_out_what_is_unknown():
    edges, counts = distribution(np.array([1, 2, 3, np.nan], np.float32), bins=4)
    assert counts.sum() == 3 and len(edges) == 5
    assert distribution(np.full(3, np.nan, np.float32))[1].size == 0


def test_a_full_end_bin_does_not_hide_the_rest_of_the_histogram():
    histogram = np.zeros(256, np.int64)
    histogram[0], histogram[100] = 1_000_000, 50
    assert bar_heights(histogram, log=False)[100] == 1.0
    assert 0.2 < bar_heights(histogram, log=True)[100] < 0.5
    assert bar_heights(np.zeros(256, np.int64), log=True).max() == 0


def test_presets_are_written_read_and_merged(tmp_path):
    path = tmp_path / "deep" / "presets.json"
    assert read_presets(path) == USUAL
    mine = Preset(name="mine", channel="405", intensity=0.5, exposure_ms=10, gain_db=0)
    write_presets(path, with_preset(USUAL, mine))
    assert read_presets(path) == (*USUAL, mine)
    louder = mine.model_copy(update={"intensity": 0.9})
    assert merged(read_presets(path), (louder,)) == (*USUAL, louder)
    assert without_preset(read_presets(path), "mine") == USUAL


@pytest.mark.parametrize("text", ["", "[]", "{}x", '{"format": "other"}', '{"presets": [{"name": ""}]}', "\x00"])
def test_a_file_that_is_no_preset_file_is_refused_with_one_sentence(tmp_path, text):
    path = tmp_path / "presets.json"
    path.write_text(text)
    with pytest.raises(FileError, match=r"presets\.json is not a file of presets"):
        read_presets(path)


def test_a_coarse_look_is_told_beside_the_count(qtbot):
    from dataclasses import replace

    from gui_fake_session import make_frame, make_result

    from app.gui.panels.counts import CountsPanel

    panel = CountsPanel()
    qtbot.addWidget(panel)
    result = make_result(make_frame())
    panel.show_result(result)
    assert "coarse" not in panel.scale.text()
    panel.show_result(replace(result, coarse=2.5))
    assert "counted coarsely to keep up" in panel.scale.text()


@pytest.mark.parametrize(("room", "rows"), [(900, 2), (200, 3)])
def test_badges_never_lie_over_each_other(qapp, monkeypatch, room, rows):
    places = []
    real = Badge.paint

    def paint(self, *arguments, **more):
        places.append(real(self, *arguments, **more))
        return places[-1]

    monkeypatch.setattr(Badge, "paint", paint)
    image = QImage(room, 300, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    left = [Badge("REPLAY", "#ffffff", dot=True), Badge("SIMULATED CAMERA", "#ffffff")]
    paint_badges(painter, image.rect(), left, Badge("recorded: 405 · 25 %", "#ffffff"))
    painter.end()
    assert len({place.top() for place in places}) == rows
    assert not any(a.intersects(b) for a in places for b in places if a is not b)


@pytest.mark.parametrize("percent", range(100, 201, 5))
def test_the_handle_of_a_slider_is_round_at_every_size_of_letters(percent):
    sheet = style_sheet(DARK, lambda length: max(round(length * percent / 100), 1))
    groove = int(re.search(r"groove:horizontal \{ height: (\d+)px", sheet)[1])
    found = re.search(r"handle:horizontal \{[^}]*width: (\d+)px; margin: -(\d+)px 0;\s+border-radius: (\d+)px", sheet)
    width, beyond, radius = (int(each) for each in found.groups())
    assert width == groove + 2 * beyond and width - 1 <= 2 * radius <= width, "Qt draws any larger radius as a square"
