"""What is Basler's own: finding cameras, the emulator's faults, numbering, and folders of images."""

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from pypylon import pylon

from app.errors import CameraError, CameraGoneError
from app.frame import Frame
from app.hardware import basler
from app.hardware.basler import BaslerCamera, list_cameras
from app.hardware.basler_folder import FolderCamera, read_header
from app.settings import CameraSettings

PATIENCE_S = 20.0
ROI = (0, 0, 320, 240)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "2")


@pytest.fixture
def camera(emulator: None) -> Iterator[BaslerCamera]:
    with BaslerCamera("pylon:0815-0001") as camera:
        camera.configure(CameraSettings(roi=ROI, fps=200))
        yield camera


def play(camera: BaslerCamera, until: int = 10_000) -> tuple[list[Frame], list[BaseException | None]]:
    frames: list[Frame] = []
    endings: list[BaseException | None] = []
    enough = threading.Event()

    def sink(frame: Frame) -> None:
        frames.append(frame)
        if len(frames) >= until:
            enough.set()

    camera.start(sink, lambda error: (endings.append(error), enough.set()))
    assert enough.wait(PATIENCE_S)
    camera.stop()
    return frames, endings


def test_emulated_cameras_are_listed_and_say_so(emulator: None) -> None:
    found = list_cameras()
    assert [info.id for info in found] == ["pylon:0815-0000", "pylon:0815-0001"]
    assert all(info.simulated and "pylon emulator" in info.title for info in found)


def test_without_a_camera_one_sentence_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basler, "_devices", list)
    assert list_cameras() == []
    with pytest.raises(CameraError, match=r"cable.*udev"):
        BaslerCamera().open()
    with pytest.raises(CameraError, match="12345"):
        BaslerCamera("pylon:12345").open()


def test_a_camera_in_use_says_so(emulator: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def __init__(self, device: object) -> None:
            raise basler.genicam.RuntimeException("The device is controlled by another application.", "", 1)

    monkeypatch.setattr(pylon, "InstantCamera", Busy)
    with pytest.raises(CameraError, match="other program"):
        BaslerCamera().open()


def test_an_error_in_pylon_ends_the_stream_in_one_sentence(camera: BaslerCamera) -> None:
    endings: list[BaseException | None] = []
    over = threading.Event()
    camera.start(lambda frame: None, lambda error: (endings.append(error), over.set()))
    camera._camera.StreamGrabber.ImposedError.FromString("the bus went away")
    assert over.wait(PATIENCE_S)
    camera.stop()
    assert len(endings) == 1
    assert isinstance(endings[0], CameraError)
    assert "the bus went away" in str(endings[0])
    assert len(play(camera, 2)[0]) >= 2


def test_a_camera_gone_is_neither_stopped_nor_closed(camera: BaslerCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real = camera._camera
    real.FirePnPCallback.Execute()
    assert real.IsCameraDeviceRemoved()
    camera._camera = SimpleNamespace(
        IsCameraDeviceRemoved=lambda: True,
        StopGrabbing=lambda: calls.append("StopGrabbing"),
        Close=lambda: calls.append("Close"),
        DestroyDevice=lambda: calls.append("DestroyDevice"),
    )
    camera.stop()
    camera.close()
    assert calls == ["DestroyDevice"]
    real.DestroyDevice()


def test_settings_that_it_takes_only_in_part_are_taken_back(camera: BaslerCamera) -> None:
    before = camera.settings
    with pytest.raises(CameraError, match="did not take"):
        camera.configure(CameraSettings(roi=(0, 0, 2, 2), binning=4, pixel_format="Mono12"))
    assert camera.settings == before
    assert [camera._features.get(name) for name in ("binning_x", "pixel_format", "width")] == [1, "Mono8", ROI[2]]


def test_gaps_in_the_cameras_numbering_are_lost_frames() -> None:
    camera = BaslerCamera()
    numbers = [camera._number(block) for block in (7, 8, 11, 12)]
    assert numbers == [0, 1, 4, 5]
    assert camera.stats().lost == 2
    assert [camera._number(block) for block in (0, 1)] == [6, 7]
    assert camera.stats().lost == 2


def test_a_result_without_a_number_is_one_frame_and_not_a_gap_of_all_numbers() -> None:
    camera = BaslerCamera()
    assert [camera._number(block) for block in (2**64 - 1, 7, 2**64 - 1, 9, 11)] == [0, 1, 2, 3, 5]
    assert camera.stats().lost == 1


def test_packed_twelve_bits_are_unpacked_exactly() -> None:
    """The emulator has no Mono12p, so a packed buffer is made by hand."""
    truth = np.random.default_rng(0).integers(0, 4096, (8, 20), dtype=np.uint16)
    pairs = truth.reshape(-1, 2).astype(np.uint32)
    packed = np.stack(
        [pairs[:, 0] & 255, (pairs[:, 0] >> 8) | ((pairs[:, 1] & 15) << 4), pairs[:, 1] >> 4], axis=1
    ).astype(np.uint8)
    image = pylon.PylonImage()
    image.AttachMemoryView(memoryview(packed.tobytes()), pylon.PixelType_Mono12p, 20, 8, 0)
    pixels, pixel_format = BaslerCamera()._pixels(image)
    assert pixel_format == "Mono12"
    np.testing.assert_array_equal(pixels, truth)


def test_a_silent_camera_ends_with_a_sentence(camera: BaslerCamera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basler, "STALL_S", 0.1)
    monkeypatch.setattr(camera, "_retrieve", lambda timeout_ms: None)
    _, endings = play(camera)
    assert isinstance(endings[0], CameraError)
    assert "stopped sending" in str(endings[0])


def test_settings_are_applied_again_after_replugging(camera: BaslerCamera) -> None:
    wanted = camera.configure(CameraSettings(roi=ROI, exposure_ms=2.0, gain_db=3.0, fps=100.0))
    camera._camera.FirePnPCallback.Execute()
    with pytest.raises(CameraGoneError):
        camera.configure(wanted)
    camera.open()
    assert camera.settings == wanted
    assert camera._features.get("exposure_us") == 2000.0
    assert camera.info.serial == "0815-0001"


def images(folder: Path) -> dict[str, np.ndarray]:
    """Write one image of each kind; return what must arrive."""
    rng = np.random.default_rng(5)

    def grey(height: int, width: int, dtype: type = np.uint8) -> np.ndarray:
        return rng.integers(0, np.iinfo(dtype).max, (height, width), dtype=dtype, endpoint=True)

    kept = {
        "a.png": grey(100, 120),
        "b deep.png": grey(64, 81, np.uint16),
        "c.tif": grey(33, 47),
        "d_deep.tif": grey(33, 47, np.uint16),
        "e.bmp": grey(51, 61),
        "f_one.png": grey(1, 1),
        "g_packed.tif": grey(40, 30),
    }
    for name, image in kept.items():
        if name.startswith("g"):
            tifffile.imwrite(folder / name, image, compression="zlib")
        else:
            assert cv2.imwrite(str(folder / name), image)
    flat = grey(20, 30)
    cv2.imwrite(str(folder / "h_colour.png"), np.dstack([flat, flat, flat]))
    return {**kept, "h_colour.png": flat}


def test_a_folder_arrives_exactly_in_name_order(tmp_path: Path) -> None:
    truth = images(tmp_path)
    (tmp_path / "notes.txt").write_text("not an image")
    with FolderCamera(tmp_path) as camera:
        camera.configure(CameraSettings(fps=None))
        frames, endings = play(camera)
    assert endings == [None]
    assert [frame.name for frame in frames] == sorted(truth)
    for frame in frames:
        np.testing.assert_array_equal(frame.pixels, truth[frame.name], err_msg=frame.name)
        deep = truth[frame.name].dtype == np.uint16
        assert frame.pixel_format == ("Mono16" if deep else "Mono8")
        assert frame.pixels.dtype == truth[frame.name].dtype
        assert frame.pixel_size_um is None
        assert frame.exposure_ms is None
        assert "pylon emulator" in frame.source


def test_real_images_arrive_exactly() -> None:
    folder = Path(os.environ.get("DAPISCOPE_DATA", "absent")) / "dsb2018_stage1_test" / "images"
    if not folder.is_dir():
        pytest.skip("set DAPISCOPE_DATA to the folder of the public nucleus images")
    with FolderCamera(folder) as camera:
        camera.configure(CameraSettings(fps=None))
        frames, endings = play(camera)
        assert endings == [None]
        assert camera.stats().failed == 0
        assert [frame.name for frame in frames] == [path.name for path in camera.files]
    for frame in frames:
        image = cv2.imread(str(folder / frame.name), cv2.IMREAD_UNCHANGED)
        grey = image if image.ndim == 2 else image[..., 0]
        np.testing.assert_array_equal(frame.pixels, grey, err_msg=frame.name)


def test_what_is_no_image_is_reported_and_skipped(tmp_path: Path) -> None:
    good = np.full((30, 40), 7, np.uint8)
    for name in ("b.png", "z.png"):
        cv2.imwrite(str(tmp_path / name), good)
    (tmp_path / "a_text.png").write_text("hello")
    (tmp_path / "c_empty.png").write_bytes(b"")
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "d_cut.png").write_bytes(whole[: len(whole) // 2])
    bomb = bytearray(whole)
    bomb[16:24] = (30_000).to_bytes(4, "big") * 2
    (tmp_path / "e_bomb.png").write_bytes(bomb)
    tifffile.imwrite(tmp_path / "f_stack.tif", np.zeros((3, 20, 30), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "g_jpeg.tif", np.zeros((16, 16), np.uint8), compression="jpeg")
    (tmp_path / "h.jpg").write_bytes(cv2.imencode(".jpg", good)[1].tobytes()[:-40])
    (tmp_path / "i_no.tif").write_bytes(b"II*\x00\xff\xff\xff\xff")
    with FolderCamera(tmp_path) as camera:
        camera.configure(CameraSettings(fps=None))
        frames, endings = play(camera)
        assert endings == [None]
        assert [(frame.name, frame.index) for frame in frames] == [("b.png", 1), ("z.png", 9)]
        names = [name for name, _ in camera.rejected]
        assert names[:5] == ["a_text.png", "c_empty.png", "d_cut.png", "e_bomb.png", "f_stack.tif"]
        assert names[5:] == ["g_jpeg.tif", "h.jpg", "i_no.tif"]
        assert all(reason for _, reason in camera.rejected)
        stats = camera.stats()
    assert (stats.grabbed, stats.lost, stats.failed) == (2, 8, 8)


def test_the_next_file_waits_for_the_sink(tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), number, np.uint8))
    with FolderCamera(tmp_path, pixel_size_um=0.5) as camera:
        camera.configure(CameraSettings(fps=None))
        gate, seen, over = threading.Semaphore(0), [], threading.Event()

        def sink(frame: Frame) -> None:
            seen.append(int(frame.pixels[0, 0]))
            assert frame.pixel_size_um == 0.5
            assert gate.acquire(timeout=PATIENCE_S)

        camera.start(sink, lambda error: over.set())
        for count in range(1, 6):
            while len(seen) < count:
                over.wait(0.005)
            assert camera.stats().grabbed == count
            gate.release()
        assert over.wait(PATIENCE_S)
        camera.stop()
    assert seen == [0, 1, 2, 3, 4]


def test_triggers_step_through_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8, 8), number, np.uint8))
    with FolderCamera(tmp_path) as camera:
        camera.configure(CameraSettings(trigger="software", pixel_format="Mono12"))
        assert [camera.snap().name for _ in range(4)] == ["0.png", "1.png", "2.png", "0.png"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="holds no"):
        FolderCamera(tmp_path).open()
    with pytest.raises(CameraError, match="cannot be read"):
        FolderCamera(tmp_path / "absent").open()


def test_files_are_played_whole(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8))
    with FolderCamera(tmp_path) as camera:
        for changes in ({"roi": (0, 0, 4, 4)}, {"binning": 2}):
            with pytest.raises(CameraError, match="whole"):
                camera.configure(CameraSettings().model_copy(update=changes))


def test_playing_a_folder_leaves_no_emulated_camera_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYLON_CAMEMU", raising=False)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8))
    with FolderCamera(tmp_path) as camera:
        assert camera.info.simulated
        assert "PYLON_CAMEMU" not in os.environ


@given(
    changes=st.lists(st.tuples(st.integers(0, 399), st.integers(0, 255)), min_size=1, max_size=8),
    length=st.integers(0, 4000),
    bigtiff=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_hostile_tiff_headers_never_escape(changes: list[tuple[int, int]], length: int, bigtiff: bool) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(900, dtype=np.uint16).reshape(30, 30), bigtiff=bigtiff)
    content = bytearray(buffer.getvalue())
    for position, value in changes:
        content[position % len(content)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.tif"
        path.write_bytes(content[:length])
        header = read_header(path)
        assert header is None or isinstance(header.width, int)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"x" * 100])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_headers_of_broken_files_are_none(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    assert read_header(path) is None
