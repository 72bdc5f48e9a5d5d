"""A machine that cannot keep up says so once, in numbers, and names what would help."""

import itertools
from dataclasses import replace

from app.events import Stats
from app.live_path import Pace

NOTHING = Stats()


def run(pace, *, counted, skipped, seconds, model="fast", start=NOTHING, begin_s=0.0):
    """Look twice a second at counters that grow by so many a second; return all sentences."""
    said = []
    for step in range(round(2 * seconds) + 1):
        elapsed = step / 2
        stats = replace(
            start,
            segmented=start.segmented + round(counted * elapsed),
            skipped_segment=start.skipped_segment + round(skipped * elapsed),
        )
        sentence = pace.look(begin_s + elapsed, stats, model)
        if sentence:
            said.append(sentence)
    return said


def test_every_frame_counted_is_not_worth_a_word():
    assert run(Pace(), counted=45, skipped=0, seconds=30) == []
    assert run(Pace(), counted=40, skipped=5, seconds=30) == []


def test_skipping_is_said_once_with_numbers_and_a_remedy():
    pace = Pace()
    (sentence,) = run(pace, counted=15, skipped=30, seconds=60, model="accurate")
    assert "15 of 45 frames a second" in sentence
    assert "choose the model fast" in sentence
    assert run(pace, counted=15, skipped=30, seconds=60, model="accurate", begin_s=60.0) == []


def test_it_is_said_once_a_model_and_of_frames_enough():
    pace = Pace()
    assert len(run(pace, counted=15, skipped=30, seconds=10)) == 1
    pace.begin()
    assert run(pace, counted=15, skipped=30, seconds=10) == []
    assert len(run(pace, counted=15, skipped=30, seconds=10, model="accurate")) == 1
    assert run(Pace(), counted=1, skipped=1, seconds=8) == []


def test_the_fastest_model_offers_the_camera_instead():
    (sentence,) = run(Pace(), counted=15, skipped=30, seconds=10)
    assert "frame rate" in sentence
    assert "choose the model" not in sentence


def test_a_short_hitch_and_a_dark_field_are_no_reason():
    assert run(Pace(), counted=15, skipped=30, seconds=4) == []
    assert run(Pace(), counted=0, skipped=0, seconds=30) == []


def test_counters_that_begin_anew_are_a_new_run():
    pace = Pace()
    assert run(pace, counted=45, skipped=0, seconds=4, start=Stats(segmented=900)) == []
    assert run(pace, counted=45, skipped=0, seconds=4, begin_s=4.0) == []


def test_a_slow_count_leaves_the_screen_thirty_pictures_a_second_and_a_quick_one_all():
    from app.live_path import _Spared

    spared = _Spared()
    moments = [5.0 + i / 44.9 for i in range(449)]
    assert not any(spared.skips(now_s, 0.02) for now_s in moments)
    shown = [now_s for now_s in moments if not spared.skips(now_s, 0.1)]
    assert 300 <= len(shown) <= 325
    gaps = [later - sooner for sooner, later in itertools.pairwise(shown)]
    assert max(gaps) < 2.1 / 44.9  # never two missing in a row
    assert not any(spared.skips(now_s, 0.1) for now_s in range(20, 40))  # a slow camera is shown whole
