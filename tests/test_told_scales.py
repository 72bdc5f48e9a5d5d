"""Pixel sizes that were told once: kept by file, forgiving, and used at the next replay."""

import numpy as np
import pytest
import tifffile

from app.clock import SystemClock
from app.desks import ReplayDesk
from app.events import Notice, ScaleMissing
from app.recording.told_scales import MOST_PLACES, ToldScales


def test_what_was_told_is_kept_by_file(tmp_path):
    told = ToldScales(tmp_path / "data" / "sizes.json")
    assert told.of(tmp_path / "a.tif") is None
    told.remember(tmp_path / "a.tif", 0.325)
    told.remember(tmp_path / "b", 0.5)
    told.remember(tmp_path / "a.tif", 0.65)
    again = ToldScales(tmp_path / "data" / "sizes.json")
    assert (again.of(tmp_path / "x" / ".." / "a.tif"), again.of(tmp_path / "b")) == (0.65, 0.5)
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["sizes.json"]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"PATH": "x"}', '{"PATH": -1}', '{"PATH": NaN}', '{"PATH": 1e9}'])
def test_a_damaged_file_forgets(tmp_path, text):
    file, path = tmp_path / "sizes.json", tmp_path / "a.tif"
    file.write_text(text.replace("PATH", str(path.resolve())))
    assert ToldScales(file).of(path) is None
    ToldScales(file).remember(path, 0.2)
    assert ToldScales(file).of(path) == 0.2


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    ToldScales(tmp_path / "file" / "sizes.json").remember(tmp_path / "a.tif", 0.2)


def test_the_oldest_are_forgotten(tmp_path):
    import json

    file = tmp_path / "sizes.json"
    file.write_text(json.dumps({f"/{n}": 0.5 for n in range(MOST_PLACES)}))
    ToldScales(file).remember(tmp_path / "new.tif", 0.2)
    kept = json.loads(file.read_text())
    assert len(kept) == MOST_PLACES and "/0" not in kept and ToldScales(file).of(tmp_path / "new.tif") == 0.2


def test_the_next_replay_takes_what_was_told_and_says_so(tmp_path):
    told, said = ToldScales(tmp_path / "sizes.json"), []
    tifffile.imwrite(tmp_path / "none.tif", np.zeros((9, 9), np.uint8))
    tifffile.imwrite(tmp_path / "own.ome.tif", np.zeros((9, 9), np.uint8), metadata={"PhysicalSizeX": 0.4})

    def size(name, given=None, use_told=True, tell=None):
        said.clear()
        desk = ReplayDesk(said.append, SystemClock(), told)
        desk.open(tmp_path / name, pixel_size_um=given, hold=False, speed=None, use_told=use_told)
        found = desk.pixel_size_um
        if tell is not None:
            desk.remember_scale(tell)
        desk.close()
        asked.append([event.path.name for event in said if isinstance(event, ScaleMissing)])
        return found, [event.text for event in said if isinstance(event, Notice)]

    asked = []
    assert size("none.tif", 0.5) == (0.5, [])  # in force for all: said of no file, so that no file remembers it
    assert size("none.tif", tell=0.325) == (None, [])
    assert size("none.tif") == (0.325, ["none.tif: 0.325 µm per pixel, as you said last time."])
    assert size("none.tif", use_told=False) == (None, [])
    assert size("own.ome.tif", 0.9, tell=0.9) == (0.9, []) and size("own.ome.tif") == (0.4, [])
    assert asked == [[], ["none.tif"], [], [], [], []]  # once, and never where an estimate is wanted
