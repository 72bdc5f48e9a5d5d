"""The way a network is run is measured once, kept, and never changes what is counted."""

import json

import numpy as np
import pytest

from app.errors import ModelError
from app.frame import Frame
from app.inference import providers, segmenter, trial
from app.inference.model_card import load_model
from app.inference.providers import CPU, OPENVINO, Choice, Trial, Way, agree, all_cores, best, choose, key_of, ways

LABELS = np.zeros((40, 60), np.int32)
LABELS[5:25, 5:25], LABELS[5:25, 30:50] = 1, 2
FEWER = np.where(LABELS == 2, 0, LABELS)


def test_ways_begin_with_the_reference_and_follow_what_is_installed():
    assert ways([CPU], 2) == (Way(CPU, 1), Way(CPU, 2))
    assert ways([CPU], 1) == (Way(CPU, 1),)
    more = ways(["CUDAExecutionProvider", OPENVINO, CPU], 8)
    assert more[0] == Way(CPU, 1)
    assert Way(OPENVINO, 4, "bf16") in more
    assert Way("CUDAExecutionProvider") in more
    assert Way("DmlExecutionProvider") not in more
    assert ways([CPU], 2, ["int8"])[2:] == (Way(CPU, 1, "int8"), Way(CPU, 2, "int8"))


@pytest.mark.parametrize(
    ("trials", "wanted"),
    [
        ([(Way(CPU, 1), 12.0, True), (Way(CPU, 2), 7.0, True)], Way(CPU, 1)),
        ([(Way(CPU, 1), 30.0, True), (Way(CPU, 2), 16.0, True)], Way(CPU, 2)),
        ([(Way(CPU, 1), 30.0, True), (Way(CPU, 2), 12.0, True)], Way(CPU, 2)),
        ([(Way(CPU, 1), 12.0, True), (Way(OPENVINO, 1, "bf16"), 4.0, True)], Way(OPENVINO, 1, "bf16")),
        ([(Way(CPU, 1), 12.0, True), (Way(OPENVINO, 1, "bf16"), 4.0, False)], Way(CPU, 1)),
    ],
)
def test_cheapest_way_in_time_is_best_and_other_labels_never_win(trials, wanted):
    assert best(Trial(*each) for each in trials) == wanted


def test_nothing_that_runs_is_an_error():
    with pytest.raises(ModelError, match="none of the execution providers"):
        best([])


def test_large_images_get_all_cores_where_there_are_more():
    assert all_cores(Way(CPU, 1), 2) == Way(CPU, 2)
    assert all_cores(Way(OPENVINO, 1, "bf16"), 16) == Way(OPENVINO, 8, "bf16")
    assert all_cores(Way(CPU, 2), 2) is None
    assert all_cores(Way("CUDAExecutionProvider"), 8) is None


def test_what_is_kept_is_counted_with_the_models_own_numbers(monkeypatch):
    model = load_model("fast")
    image = trial.picture(model.card.input.nucleus_diameter_px)
    seen = Frame(image, 0, 0.0, 0.0, None, None, "Mono8", 0.65)
    plain = segmenter.Segmenter(model, provider="cpu", threads=1)
    monkeypatch.setattr(segmenter, "measured_way", lambda model: Choice(Way(CPU, 1, "int8")))
    quick = segmenter.Segmenter(model)
    live = quick.segment(seen)
    assert not np.array_equal(live.nuclei["score"], plain.segment(seen).nuclei["score"])  # it really is the variant
    assert live.count == plain.segment(seen).count
    kept = quick.segment(seen, exact=True)
    assert np.array_equal(kept.labels, plain.segment(seen, exact=True).labels)
    assert np.array_equal(kept.nuclei["score"], plain.segment(seen, exact=True).nuclei["score"])


def test_the_8_bit_variant_has_no_slow_step():
    """An eighth of its time for thousands of nuclei: `models.training quantise` makes copies instead of them."""
    assert b"Resize" not in load_model("fast").variants["int8"]


def test_large_image_gives_the_same_on_all_cores(monkeypatch):
    monkeypatch.setattr(segmenter.os, "cpu_count", lambda: 2)
    model = load_model("fast")
    image = trial.picture(model.card.input.nucleus_diameter_px)
    seen = Frame(image, 0, 0.0, 0.0, None, None, "Mono8", 0.65)
    whole = segmenter.Segmenter(model, provider="cpu", threads=1).segment(seen)
    monkeypatch.setattr(segmenter, "measured_way", lambda model: Choice(Way(CPU, 1)))
    monkeypatch.setattr(segmenter, "WIDE_PIXELS", 1000)
    wide = segmenter.Segmenter(model)
    found = wide.segment(seen)
    assert wide._wide is not None
    assert np.array_equal(found.labels, whole.labels)


def test_labels_agree_by_number_and_outlines():
    assert agree(LABELS, LABELS)
    assert not agree(LABELS, FEWER)
    shifted = np.roll(LABELS, 1, axis=1)
    assert not agree(LABELS, shifted)
    assert not agree(LABELS, LABELS[:20])
    assert agree(np.zeros((3, 3), np.int32), np.zeros((3, 3), np.int32))


class Machine:
    """Runs ways as it is told, and counts."""

    def __init__(self, outcomes):
        self.outcomes, self.asked = outcomes, []

    def __call__(self, way):
        self.asked.append(way)
        outcome = self.outcomes[way]
        if outcome is None:
            raise ModelError("It did not start.")
        return outcome


def test_choice_is_measured_once_and_kept_for_its_key(tmp_path):
    file = tmp_path / "deep" / "providers.json"
    one, two, broken = Way(CPU, 1), Way(OPENVINO, 1, "bf16"), Way("CUDAExecutionProvider")
    machine = Machine({one: (12.0, LABELS), two: (4.0, LABELS), broken: None})
    first = choose((one, two, broken), machine, "key", file)
    assert first == Choice(two, (Trial(one, 12.0), Trial(two, 4.0)))
    again = choose((one, two, broken), machine, "key", file)
    assert (again.way, again.trials, again.kept) == (two, first.trials, True)
    assert machine.asked == [one, two, broken]
    other = choose((one, two, broken), machine, "another key", file)
    assert not other.kept
    assert choose((one, two, broken), machine, "key", file).kept


def test_kept_way_that_is_gone_is_measured_anew(tmp_path):
    file = tmp_path / "providers.json"
    one, two = Way(CPU, 1), Way(OPENVINO, 1)
    machine = Machine({one: (12.0, LABELS), two: (4.0, LABELS)})
    choose((one, two), machine, "key", file)
    assert choose((one,), machine, "key", file) == Choice(one, (Trial(one, 12.0),))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 3}', '{"key": {"way": {"threads": 1, "what": 2}}}'])
def test_damaged_file_only_means_measuring_again(tmp_path, content):
    file = tmp_path / "providers.json"
    file.write_text(content)
    machine = Machine({Way(): (12.0, LABELS)})
    assert choose((Way(),), machine, "key", file).way == Way()
    assert json.loads(file.read_text())["key"]["way"]["provider"] == CPU


def test_unwritable_folder_does_no_harm(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert choose((Way(),), Machine({Way(): (1.0, LABELS)}), "key", tmp_path / "file" / "providers.json").way == Way()


def test_key_changes_with_model_runtime_and_providers():
    keys = {key_of("a", "1.0", [CPU]), key_of("b", "1.0", [CPU]), key_of("a", "1.1", [CPU]), key_of("a", "1.0", [])}
    assert len(keys) == 4
    assert key_of("a", "1.0", [CPU]) in keys


def test_every_installed_way_of_the_real_model_agrees_with_the_processor(tmp_path):
    model = load_model("fast")
    choice = trial.measured_way(model, tmp_path / "providers.json")
    assert choice.trials
    assert all(trial.agrees and trial.ms > 0 for trial in choice.trials)
    assert trial.measured_way(model, tmp_path / "providers.json").kept
    image = trial.picture(model.card.input.nucleus_diameter_px)
    assert image.shape == trial.TRIAL_SHAPE
    # The picture that decides must have something in it to disagree about.
    assert providers.AGREEMENT_PX <= 0.05
    assert trial.tried(model, choice.way)[1].max() > 50
