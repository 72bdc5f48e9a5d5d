"""The model that dapiscope ships, on drawn fields whose truth is known."""

import dataclasses
import hashlib
import threading

import cv2
import numpy as np
import pytest

from app.errors import ModelError, UsageError
from app.frame import Frame, Light, Segmentation
from app.inference import preprocess
from app.inference import segmenter as module
from app.inference.model_card import Model, ModelCalibration, load_model
from app.inference.network import BUFFERS_KEPT, available_providers
from app.inference.preprocess import normalise, normaliser
from app.inference.scale import ScaleTracker, to_scale
from app.inference.segmenter import Segmenter


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(load_model("fast"), provider="cpu", threads=2)


def frame(pixels, pixel_size_um=None, **changes):
    kind = "Mono8" if pixels.dtype == np.uint8 else "Mono12"
    lit = Light("405", 0.5, True, "")
    base = Frame(pixels, 0, 0.0, 0.0, None, None, kind, pixel_size_um, light=lit)
    return dataclasses.replace(base, **changes)


def nuclei(diameter=20.0, shape=(256, 320), pitch=1.9, seed=0, top=255):
    """A field of nuclei well apart, and the labels of the truth."""
    rng = np.random.default_rng(seed)
    image, truth = np.full(shape, 15.0, np.float32), np.zeros(shape, np.int32)
    step = diameter * pitch
    number = 0
    for y in np.arange(step, shape[0] - step / 2, step):
        for x in np.arange(step, shape[1] - step / 2, step):
            number += 1
            centre = (round(x + rng.uniform(-0.15, 0.15) * diameter), round(y + rng.uniform(-0.15, 0.15) * diameter))
            axes = (round(diameter / 2 * rng.uniform(0.95, 1.15)), round(diameter / 2 * rng.uniform(0.8, 0.95)))
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(image, centre, axes, angle, 0, 360, float(rng.uniform(90, 170)), -1)
            cv2.ellipse(truth, centre, axes, angle, 0, 360, number, -1)
    image = cv2.GaussianBlur(image, (0, 0), diameter / 18) + rng.normal(0, 2.5, shape)
    dtype = np.uint8 if top == 255 else np.uint16
    return np.clip(np.rint(image * (top / 255)), 0, top).astype(dtype), truth


def test_easy_field_is_counted_right(segmenter):
    pixels, truth = nuclei()
    found = segmenter.segment(frame(pixels, 0.65))
    assert found.count == truth.max()
    assert (found.scale_source, found.pixel_size_um, found.flags) == ("metadata", 0.65, ())
    assert found.labels.max() == found.count == len(np.unique(found.labels)) - 1
    assert found.nuclei["label"].tolist() == list(range(1, found.count + 1))
    # Each found nucleus lies on its own true one.
    at = truth[np.rint(found.nuclei["y_px"]).astype(int), np.rint(found.nuclei["x_px"]).astype(int)]
    assert sorted(at) == list(range(1, truth.max() + 1))
    expected_mm2 = found.nuclei["counted"].sum() / (256 * 320 * 0.65**2) * 1e6
    assert found.density_per_mm2 == pytest.approx(expected_mm2)


def test_twelve_bits_count_like_eight(segmenter):
    eight, twelve = (segmenter.segment(frame(nuclei(top=top)[0], 0.65)) for top in (255, 4095))
    assert eight.count == twelve.count
    # Touching nuclei may be numbered the other way round: each is compared with the one at its own place.
    apart = [np.hypot(twelve.nuclei["y_px"] - n["y_px"], twelve.nuclei["x_px"] - n["x_px"]) for n in eight.nuclei]
    assert np.min(apart, axis=1).max() < 1
    ratio = twelve.nuclei["mean_intensity"][np.argmin(apart, axis=1)] / eight.nuclei["mean_intensity"]
    np.testing.assert_allclose(ratio, 4095 / 255, rtol=0.03)


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.5, 2.0, 4.0])
def test_rescaled_field_counts_the_same_when_its_pixel_size_is_told(segmenter, factor):
    pixels, truth = nuclei(shape=(300, 400))
    scaled = cv2.resize(
        pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    )
    found = segmenter.segment(frame(scaled), 0.65 / factor)
    assert found.scale_source == "given"
    assert abs(found.count - truth.max()) <= 0.03 * truth.max()


@pytest.mark.parametrize("diameter", [10, 20, 45, 90])
def test_auto_finds_the_scale(segmenter, diameter):
    pixels, truth = nuclei(diameter, shape=(int(diameter * 12), int(diameter * 14)))
    found = segmenter.segment(frame(pixels), "auto")
    assert found.count == pytest.approx(truth.max(), rel=0.05)
    assert found.scale_source == "estimated"
    assert found.pixel_size_um == pytest.approx(0.65 * 20 / diameter, rel=0.25)
    assert found.density_per_mm2 is None
    assert np.isnan(found.nuclei["area_um2"]).all()
    assert found.flags == ()


def test_unknown_scale_is_estimated_and_flagged(segmenter):
    pixels, truth = nuclei()
    found = segmenter.segment(frame(pixels))
    assert found.count == truth.max()
    assert found.scale_source == "estimated"
    assert found.flags == ("scale unknown",)


def test_estimate_uses_no_foreign_pixel_size_but_areas_do(segmenter):
    found = segmenter.segment(frame(nuclei()[0], 0.5), "auto")
    assert found.scale_source == "estimated"
    assert found.density_per_mm2 is not None
    np.testing.assert_allclose(found.nuclei["area_um2"], found.nuclei["area_px"] * 0.25, rtol=1e-5)


def test_absurd_pixel_size_of_a_file_is_not_believed(segmenter):
    assert segmenter.segment(frame(nuclei()[0], 300.0)).scale_source == "estimated"


@pytest.mark.parametrize("size", [0.0, -1.0, 1e-4, 500.0, float("nan"), float("inf")])
def test_absurd_pixel_size_of_the_operator_is_refused(segmenter, size):
    with pytest.raises(UsageError, match="out of range"):
        segmenter.segment(frame(nuclei()[0]), size)


EMPTY = {
    "black": lambda rng, shape: np.zeros(shape),
    "offset": lambda rng, shape: np.full(shape, 40.0),
    "noise": lambda rng, shape: rng.normal(80, 9, shape),
    "shot noise": lambda rng, shape: 3.0 * rng.poisson(9, shape),
    "gradient": lambda rng, shape: np.linspace(10, 180, shape[1]) + rng.normal(0, 2, shape),
    "saturated": lambda rng, shape: np.full(shape, 255.0),
}


@pytest.mark.parametrize("size", [0.1, 0.65, "auto", None])
@pytest.mark.parametrize("kind", list(EMPTY))
def test_field_without_nuclei_counts_zero(segmenter, kind, size):
    for seed in range(3):
        pixels = np.clip(EMPTY[kind](np.random.default_rng(seed), (300, 360)), 0, 255).astype(np.uint8)
        found = segmenter.segment(frame(pixels), size)
        assert found.count == 0
        assert found.flags[0] == ("saturated" if kind == "saturated" else "too dim")
        assert ("scale unknown" in found.flags) == (size in {"auto", None})


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (17, 31), (16, 16)])
@pytest.mark.parametrize("size", [0.65, 0.1, "auto", None])
def test_tiny_images_are_fine(segmenter, shape, size):
    found = segmenter.segment(frame(np.zeros(shape, np.uint8)), size, exact=True)
    assert found.count == 0
    assert found.labels.shape == shape
    assert found.labels.dtype == np.int32


def test_exact_results_are_at_full_resolution(segmenter):
    pixels, truth = nuclei(60, shape=(600, 700))
    quick, exact = (segmenter.segment(frame(pixels, 0.65 / 3), exact=exact) for exact in (False, True))
    assert quick.labels.shape == (200, 233)
    assert quick.zoom == (600 / 200, 700 / 233)
    assert exact.labels.shape == pixels.shape
    assert exact.zoom == (1.0, 1.0)
    assert quick.count == exact.count == truth.max()
    np.testing.assert_allclose(exact.nuclei["area_px"], np.bincount(exact.labels.ravel())[1:])
    np.testing.assert_allclose(quick.nuclei["area_px"], exact.nuclei["area_px"], rtol=0.08)
    np.testing.assert_allclose(quick.nuclei["y_px"], exact.nuclei["y_px"], atol=1.0)
    both = ((exact.labels > 0) & (truth > 0)).sum() / ((exact.labels > 0) | (truth > 0)).sum()
    assert both > 0.85


@pytest.mark.parametrize("diameter", [8, 11, 45])
def test_nuclei_of_another_size_are_looked_at_again(segmenter, diameter):
    pixels, truth = nuclei(diameter, shape=(diameter * 14, diameter * 14))
    found = segmenter.segment(frame(pixels, 0.65), exact=True)
    assert found.count == pytest.approx(truth.max(), rel=0.05)
    assert (found.scale_source, found.pixel_size_um) == ("metadata", 0.65)
    iou = ((found.labels > 0) & (truth > 0)).sum() / ((found.labels > 0) | (truth > 0)).sum()
    assert iou > 0.75
    expected_um2 = np.bincount(truth.ravel())[1:].mean() * 0.65**2
    assert found.nuclei["area_um2"].mean() == pytest.approx(expected_um2, rel=0.25)


def test_every_nucleus_has_a_pixel_where_the_file_is_coarse(segmenter):
    pixels, _ = nuclei(6, shape=(150, 150), pitch=2.2)
    found = segmenter.segment(frame(pixels), 0.65 * 20 / 6, exact=True)
    assert found.count > 50
    assert len(np.unique(found.labels)) - 1 == found.count


def test_tiled_image_gives_the_nuclei_of_the_whole(segmenter, monkeypatch):
    pixels, truth = nuclei(shape=(420, 500), pitch=1.35)
    whole = segmenter.segment(frame(pixels, 0.65))
    monkeypatch.setattr(module, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(module, "TILE_PX", 256)
    tiled = segmenter.segment(frame(pixels, 0.65), exact=True)
    assert tiled.count == whole.count == pytest.approx(truth.max(), rel=0.02)
    assert len(np.unique(tiled.labels)) - 1 == tiled.count
    np.testing.assert_allclose(np.sort(tiled.nuclei["area_px"]), np.sort(whole.nuclei["area_px"]), atol=12)


@pytest.mark.parametrize("how", ["robust", "unit"])
def test_tiles_are_normalised_like_the_whole(how):
    pixels, _ = nuclei(top=4095)
    whole = normalise(pixels, how, full_scale=4095)
    prepare = normaliser(pixels, how, full_scale=4095)
    np.testing.assert_allclose(prepare(pixels[40:90, 30:200]), whole[40:90, 30:200], atol=1e-6)


def test_levels_of_a_large_image_come_from_bands_of_it(monkeypatch):
    pixels, _ = nuclei(shape=(900, 1000))
    whole = normalise(pixels, "robust")
    monkeypatch.setattr(preprocess, "SAMPLED_PIXELS", 300_000)
    assert np.abs(normaliser(pixels, "robust")(pixels) - whole).max() < 0.05


def test_results_do_not_change_with_what_came_before(segmenter):
    first, _ = nuclei(seed=1)
    second, _ = nuclei(seed=2)
    before = segmenter.segment(frame(first, 0.65))
    kept = before.labels.copy()
    segmenter.segment(frame(second, 0.65))
    again = segmenter.segment(frame(first, 0.65))
    np.testing.assert_array_equal(before.labels, kept)  # buffers are reused, results are not
    np.testing.assert_array_equal(again.labels, kept)
    assert again.nuclei.tobytes() == before.nuclei.tobytes()


def test_buffers_are_few(segmenter):
    for size in range(40, 240, 16):
        segmenter.segment(frame(np.zeros((size, size), np.uint8), 0.65))
    assert len(segmenter._network._buffers) <= BUFFERS_KEPT


@pytest.mark.parametrize("views", [2, 4])
def test_mirror_images_are_averaged(segmenter, views):
    card = segmenter.model.card
    given = card.input.model_copy(update={"views": views})
    many = Segmenter(Model(card.model_copy(update={"input": given}), segmenter.model.path, segmenter.model.data))
    ready = normalise(nuclei(shape=(90, 117))[0], "robust")
    mean = many._probabilities(ready)
    # What was averaged over the mirror images is the same for a mirrored image.
    np.testing.assert_allclose(many._probabilities(np.ascontiguousarray(ready[:, ::-1]))[:, :, ::-1], mean, atol=1e-5)
    assert np.abs(mean - segmenter._probabilities(ready)).max() > 1e-4
    pixels, truth = nuclei()
    assert many.segment(frame(pixels, 0.65)).count == truth.max()


def test_scales_are_averaged(segmenter):
    card = segmenter.model.card
    given = card.input.model_copy(update={"scales": (1.0, 0.7)})
    both = Segmenter(Model(card.model_copy(update={"input": given}), segmenter.model.path, segmenter.model.data))
    ready = normalise(nuclei(shape=(90, 117))[0], "robust")
    small = cv2.resize(ready, (82, 63), interpolation=cv2.INTER_AREA)
    enlarged = np.stack([cv2.resize(channel, (117, 90)) for channel in segmenter._probabilities(small)])
    expected = (segmenter._probabilities(ready) + enlarged) / 2
    for _ in range(2):  # the network's buffers are used again
        np.testing.assert_allclose(both._probabilities(ready), expected, atol=1e-5)
    pixels, truth = nuclei()
    assert both.segment(frame(pixels, 0.65)).count == truth.max()


def test_read_only_frames_are_fine(segmenter):
    pixels, truth = nuclei()
    pixels.flags.writeable = False
    assert segmenter.segment(frame(pixels, 0.65), exact=True).count == truth.max()


def test_tracker_asks_once_a_stream(segmenter, monkeypatch):
    asked = []
    estimate = Segmenter._estimate_diameter_px
    seen = lambda self, f, exact: asked.append(f) or estimate(self, f, exact)  # noqa: E731
    monkeypatch.setattr(Segmenter, "_estimate_diameter_px", seen)
    tracker = ScaleTracker()
    pixels, _ = nuclei()
    for index in range(3):
        found = segmenter.segment(frame(pixels, index=index), "auto", tracker=tracker)
        assert found.scale_source == "estimated"
    assert len(asked) == 1
    segmenter.segment(frame(pixels, name="other.png"), "auto", tracker=tracker)
    assert len(asked) == 2


def test_threads_that_share_one_wait_for_each_other(segmenter, monkeypatch):
    running, most, both = [], [], threading.Event()
    run = segmenter._network.run

    def noted(image):
        running.append(1)
        most.append(len(running))
        if len(running) > 1:
            both.set()
        both.wait(0.2)
        found = run(image).copy()
        running.pop()
        return found

    monkeypatch.setattr(segmenter._network, "run", noted)
    pixels, truth = nuclei()
    counts = []
    work = lambda: counts.append(segmenter.segment(frame(pixels, 0.65)).count)  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert counts == [truth.max()] * 2


def test_timings_name_every_step(segmenter):
    found = segmenter.segment(frame(nuclei()[0], 0.65))
    assert isinstance(found, Segmentation)
    assert {"scale", "normalise", "network", "decode", "measure"} <= set(found.timings_ms)
    assert all(value >= 0 for value in found.timings_ms.values())


def test_unconfirmed_light_is_flagged(segmenter):
    found = segmenter.segment(frame(nuclei()[0], 0.65, light=Light(None, 0.0, False, "no light source")))
    assert found.flags == ("light not confirmed",)


def test_provider_is_the_one_asked_for(segmenter):
    assert segmenter.provider_used == "CPUExecutionProvider"
    assert "CPUExecutionProvider" in available_providers()
    assert (segmenter.name, segmenter.sha256) == ("fast", segmenter.model.card.sha256)
    with pytest.raises(ModelError, match="choose auto"):
        Segmenter(segmenter.model, provider="abacus")
    if "CUDAExecutionProvider" not in available_providers():
        with pytest.raises(ModelError, match="not installed"):
            Segmenter(segmenter.model, provider="cuda")


def test_interval_is_that_of_the_card(segmenter):
    calibration = ModelCalibration(method="conformal", level=0.9, relative=0.0, low=-1.0, high=1.0, images=50)
    card = segmenter.model.card.model_copy(update={"calibration": calibration})
    pixels, _ = nuclei(shape=(200, 200))
    model = Model(card, segmenter.model.path, segmenter.model.data)
    found = Segmenter(model, provider="cpu").segment(frame(pixels, 0.65))
    assert found.interval == (int(found.count - found.count**0.5), int(np.ceil(found.count + found.count**0.5)))


def test_file_that_is_no_network_is_refused(segmenter):
    data = b"\x3a\x00"
    card = segmenter.model.card.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    with pytest.raises(ModelError, match="cannot be run"):
        Segmenter(Model(card, segmenter.model.path, data), provider="cpu")


def test_scaling_keeps_dtype_and_mean():
    pixels = np.random.default_rng(0).integers(0, 4095, (90, 120), dtype=np.uint16)
    small = to_scale(pixels, 1 / 3)
    assert small.shape == (30, 40)
    assert small.dtype == np.uint16
    assert small.mean() == pytest.approx(pixels.mean(), rel=0.01)
    assert to_scale(pixels, 1.0) is pixels
    assert to_scale(pixels, 0.001).shape == (1, 1)


@pytest.mark.parametrize("white", [255, 4095])
@pytest.mark.parametrize("seed", range(4))
def test_a_white_field_holds_no_nuclei_whatever_a_few_pixels_say(segmenter, white, seed):
    rng = np.random.default_rng(seed)
    pixels = np.full((332, 590), white, np.uint8 if white == 255 else np.uint16)
    at = rng.integers(0, pixels.size, int(rng.integers(1, 400)))
    pixels.ravel()[at] = round(0.97 * white)
    for exact in (False, True):
        found = segmenter.segment(frame(pixels, 0.65), exact=exact)
        assert found.count == 0 and found.labels.max() == 0
        assert "saturated" in found.flags


def test_saturated_nuclei_on_a_dark_field_are_still_counted(segmenter):
    pixels, truth = nuclei()
    found = segmenter.segment(frame(np.where(truth > 0, 255, pixels).astype(np.uint8), 0.65))
    assert abs(found.count - truth.max()) <= 1
    assert "saturated" in found.flags


@pytest.mark.parametrize("exact", [False, True])
def test_each_nucleus_out_of_focus_says_so(segmenter, exact):
    pixels, _ = nuclei(shape=(256, 384))
    blurred = cv2.GaussianBlur(pixels, (0, 0), 5.0)
    half = np.where(np.arange(384) < 192, pixels, blurred).astype(np.uint8)
    found = segmenter.segment(frame(half, 0.65), exact=exact)
    sharp, soft = (found.nuclei[(found.nuclei["x_px"] < 192) == left] for left in (True, False))
    sharp, soft = sharp[sharp["x_px"] < 175], soft[soft["x_px"] > 210]
    assert len(sharp) > 10 and len(soft) > 3
    assert not sharp["out_of_focus"].any()
    assert soft["out_of_focus"].mean() > 0.8
