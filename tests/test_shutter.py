"""No light without frames: the decision, in simulated time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shutter import FIRST_FRAME_S, SILENCE_S, Shutter

LOOK_S = 0.05


def watch(shutter, frames, until_s, start_s=0.0):
    """Look every `LOOK_S` and hand in the frames when they come; return when it shut and when it opened again."""
    shut, opened, due = [], [], sorted(frames)
    for step in range(int((until_s - start_s) / LOOK_S) + 1):
        now_s = start_s + step * LOOK_S
        while due and due[0] <= now_s:
            moment = due.pop(0)
            if shutter.frame(moment):
                opened.append(moment)
        if shutter.overdue(now_s):
            shut.append(now_s)
    return shut, opened


def armed(period_s=0.04):
    made = Shutter()
    made.arm(0.0, period_s)
    return made


def test_steady_frames_keep_the_light_on():
    assert watch(armed(), [k * 0.04 for k in range(250)], 10) == ([], [])


def test_silence_shuts_within_half_a_second_and_two_frames_in_a_row_open_again():
    frames = [k * 0.04 for k in range(50)] + [4.0, 4.04, 4.08]
    shut, opened = watch(armed(), frames, 4.2)
    assert len(shut) == 1
    assert SILENCE_S < shut[0] - 49 * 0.04 <= SILENCE_S + LOOK_S
    assert opened == [4.04]


def test_a_stammering_camera_does_not_make_the_light_flicker():
    shut, opened = watch(armed(), [0.0, 0.04, *(1.0 + k for k in range(8))], 9)
    assert len(shut) == 1 and opened == []


def test_a_slow_camera_may_be_slow():
    assert watch(armed(period_s=2.0), [2.0 * k for k in range(5)], 9.9) == ([], [])
    shut, _ = watch(armed(period_s=2.0), [2.0, 4.0], 9)
    assert shut[0] == pytest.approx(4 + 2 * 2 + SILENCE_S / 2, abs=2 * LOOK_S)


@pytest.mark.parametrize("period_s", [0.1, 0.2, 1.0, 5.0])
def test_a_slow_camera_that_loses_one_frame_or_is_late_with_one_is_not_missing(period_s):
    lost = [k * period_s for k in range(1, 20) if k != 7]
    late = [k * period_s + (0.15 if k == 7 else 0) for k in range(1, 20)]
    for frames in (lost, late):
        assert watch(armed(period_s), frames, frames[-1]) == ([], [])
    silent = [k * period_s for k in range(1, 20) if not 7 <= k <= 10]
    assert len(watch(armed(period_s), silent, silent[-1])[0]) == 1


def test_the_first_frame_may_take_longer_but_not_for_ever():
    shut, _ = watch(armed(), [], 6)
    assert shut[0] == pytest.approx(SILENCE_S + FIRST_FRAME_S, abs=2 * LOOK_S)


def test_who_was_asleep_himself_blames_no_camera():
    shutter = armed()
    assert watch(shutter, [k * 0.04 for k in range(26)], 1.0) == ([], [])
    assert not shutter.overdue(4.0)  # the whole program stood still
    assert watch(shutter, [4.02 + k * 0.04 for k in range(20)], 4.8, start_s=4.05) == ([], [])
    assert watch(shutter, [], 6.0, start_s=4.85)[0]


def test_who_is_held_up_again_and_again_blames_the_camera_all_the_same():
    shutter = armed()
    watch(shutter, [k * 0.04 for k in range(26)], 1.0)
    looks = [1.0 + k * 0.3 for k in range(1, 11)]
    assert [moment for moment in looks if shutter.overdue(moment)] == pytest.approx([1.9], abs=0.31)


def test_nothing_is_watched_before_and_after():
    shutter = Shutter()
    assert not shutter.overdue(100.0) and not shutter.frame(100.0)
    shutter.arm(0.0, 0.04)
    shutter.disarm()
    assert not shutter.overdue(100.0)


@given(st.lists(st.floats(0.001, 1.5), min_size=1, max_size=60))
def test_whenever_it_is_shut_a_frame_was_late_and_it_opens_only_on_frames_in_time(gaps):
    frames = [sum(gaps[: k + 1]) for k in range(len(gaps))]
    shut, opened = watch(armed(), frames, frames[-1] + 4)
    for moment in shut:
        before = [frame for frame in frames if frame <= moment]
        assert not before or moment - before[-1] > SILENCE_S - 1e-9
    for moment in opened:
        assert gaps[frames.index(moment)] <= SILENCE_S
    assert len(shut) - len(opened) in (0, 1)
