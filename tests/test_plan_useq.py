"""Every kind of sequence that `useq-schema` knows is carried out or refused with a sentence, however it is written."""

import doctest
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import useq
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import UsageError
from app.plan import load_plan, make_plan
from app.settings import Settings

RUNS = {
    "stage_positions": [[], [(10, 20, 30)], [{"x": 1, "y": 2, "name": "here"}]],
    "grid_plan": [None],
    "z_plan": [None, {"relative": [0]}, {"absolute": [58]}],
    "autofocus_plan": [None],
}
"""Of these axes, what asks for no movement."""
AUTOFOCUS = {"autofocus_device_name": "Z", "autofocus_motor_offset": 25, "axes": ("p",)}
MOVES = {
    "stage_positions": [
        [(10, 20), (30, 40)],
        [{"x": 1, "sequence": {"z_plan": {"top": 30, "bottom": 28, "step": 1}}}],
        [{"x": 1, "sequence": {"grid_plan": {"rows": 2, "columns": 2}}}],
        [{}, {"sequence": {"channels": ["488"]}}],
        [{"x": 1, "sequence": {"autofocus_plan": AUTOFOCUS}}],
        {"plate": "96-well", "a1_center_xy": (500, 200), "selected_wells": ([0, 1], [0, 1])},
    ],
    "grid_plan": [
        {"rows": 2, "columns": 2},
        {"top": 1, "bottom": -1, "left": 0, "right": 0},
        {"width": 90, "height": 90, "overlap": 10},
        {"num_points": 3, "max_width": 4, "max_height": 5, "fov_width": 1, "fov_height": 1},
    ],
    "z_plan": [
        {"range": 2, "step": 1},
        {"top": 60, "bottom": 58, "step": 1},
        {"above": 10, "below": 0, "step": 1},
        {"relative": [-1, 0, 1]},
        {"absolute": [58, 60]},
    ],
    "autofocus_plan": [AUTOFOCUS],
}
TIMES = [
    (None, 1),
    ({"interval": 0.5, "loops": 4}, 4),
    ({"interval": 1, "duration": 3}, 4),
    ({"duration": 3, "loops": 4}, 4),
    ({"phases": [{"interval": 3, "loops": 3}, {"interval": 10, "duration": 40, "prioritize_duration": True}]}, 7),
    ([{"interval": 0, "loops": 2}, {"interval": 1, "loops": 3}], 4),
]
"""Time plans, and how many times they have; phases share a time."""
CHANNELS = [
    ([], 1),
    (["DAPI"], 1),
    ([{"config": "405", "exposure": 50}, {"config": "633", "group": "Laser", "exposure": 100}], 2),
    ([{"config": "488"}, {"config": "DAPI", "do_stack": False}], 2),
]


def forms(made, folder):
    """Yield what makes a plan of a sequence in each form in which one can come."""
    yield lambda: make_plan(made, Settings())
    for name, text in (("a.yaml", made.yaml()), ("a.json", made.model_dump_json(exclude_unset=True))):
        (folder / name).write_text(text)
        yield lambda name=name: load_plan(folder / name, Settings())


def outcome(make):
    """Return the places of the frames, or the sentence that refuses them."""
    try:
        return [frame.place for frame in make().frames]
    except UsageError as error:
        said = str(error)
        assert said.endswith(".") and said.count(". ") == 0 and "\n" not in said, said
        return said


@pytest.mark.filterwarnings("ignore::UserWarning")  # useq's own, of positions that a grid makes pointless
@pytest.mark.parametrize("moving", [None, *MOVES])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.data())
def test_a_sequence_is_carried_out_or_refused_the_same_in_every_form(moving, data):
    def one_of(values):
        return data.draw(st.sampled_from(values))

    parts = {name: one_of(MOVES[name] if name == moving else RUNS[name]) for name in RUNS}
    if moving is not None and one_of([False, True]):
        other = one_of(list(MOVES))
        parts[other] = one_of(MOVES[other])
    (parts["time_plan"], time_points), (parts["channels"], channel_count) = one_of(TIMES), one_of(CHANNELS)
    sequence = {name: value for name, value in parts.items() if value}
    if moving != "grid_plan":
        sequence["axis_order"] = one_of(["tpgcz", "ptzgc", "tpcz"] if "grid_plan" not in sequence else ["ptgcz"])
    try:
        made = useq.MDASequence(**sequence)
    except ValueError:
        assert moving is not None, "what moves is no sequence of useq's in some combinations"
        return
    written = lambda: make_plan(sequence, Settings())  # noqa: E731
    with TemporaryDirectory() as folder:
        outcomes = [outcome(make) for make in (written, *forms(made, Path(folder)))]
    assert all(each == outcomes[0] for each in outcomes), outcomes
    if moving is None:
        assert len(outcomes[0]) == time_points * channel_count, outcomes[0]
    else:
        assert "remove" in outcomes[0], outcomes[0]


def shown_in_docstrings():
    """Return the sequences that the documentation within the installed `useq-schema` makes."""
    known = {"useq": useq, "MDASequence": useq.MDASequence}
    found = []
    for test in doctest.DocTestFinder(recurse=False).find(useq.MDASequence, "MDASequence", globs=known):
        for example in test.examples:
            if example.source.startswith(("from useq import", "seq = MDASequence(")):
                exec(example.source, known)
                found += [known["seq"]] if "seq =" in example.source else []
    return found


def test_what_useq_documents_is_refused_by_what_is_missing(tmp_path):
    shown = shown_in_docstrings()
    assert len(shown) >= 2
    for sequence in shown:
        for make in forms(sequence, tmp_path):
            assert "remove" in outcome(make)
        # Without what moves it runs.
        still = sequence.replace(stage_positions=(), grid_plan=None, z_plan=None, setup=None)
        wanted = [each.config for each in still.channels]
        still = still.replace(channels=["DAPI" if name == "GFP" else name for name in wanted])
        assert len(outcome(lambda still=still: make_plan(still, Settings()))) == still.time_plan.num_timepoints()


@pytest.mark.parametrize("name", ["mda.yaml", "mda.json"])
def test_keys_of_older_versions_are_refused_and_not_dropped(tmp_path, name):
    older = {"channels": ["DAPI"], "tile_plan": {"rows": 2, "cols": 1}}
    (tmp_path / name).write_text(str(older).replace("'", '"'))
    assert outcome(lambda: load_plan(tmp_path / name, Settings())) == (
        "A plan has no 'tile_plan': see docs/plans.md for what it can say."
    )
