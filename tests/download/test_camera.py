"""The simulated sensor: one event per threshold crossing of log intensity, and the same bytes on every machine."""

import hashlib
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.data.recording import Recording
from pipeline.download import camera as module
from pipeline.download.camera import simulate, write_aedat2
from pipeline.ground.params import CameraParams
from pipeline.preprocess.recordings import read_recording

CAMERA = CameraParams(
    recordings_per_class=1,
    loops=1,
    loop_ms=20,
    amplitude_pixels=4,
    contrast_threshold=0.5,
    threshold_mismatch=0.0,
    refractory_us=0,
    noise_hz=0.0,
    seed=0,
)
GOLDEN = "1098773473eaeff8ec2c9812b1dfa4d935a51608e2793a5b5d45d50c30a7040a"
"""SHA-256 of one simulated recording, its header included."""
WHITE = np.full((8, 8), 255, np.uint8)
BLACK = np.zeros((8, 8), np.uint8)
TOP, BOTTOM = 32, 96  # rows and columns of the sensor that a picture at rest covers


def camera(**changes: float) -> CameraParams:
    return CameraParams.model_validate(CAMERA.model_dump() | changes)


def picture() -> npt.NDArray[np.uint8]:
    return (np.arange(64) * 89 % 256).astype(np.uint8).reshape(8, 8)


def events(recording: Recording) -> npt.NDArray[np.int64]:
    return np.stack([recording.t, recording.x, recording.y, recording.p], axis=1)


def move(monkeypatch: pytest.MonkeyPatch, *places: tuple[int, int]) -> None:
    """Displaces the picture by sixteenths of a pixel (down, right), a millisecond a step."""
    monkeypatch.setattr(module, "loop", lambda _: np.array(places))


def test_the_loop_is_a_closed_diamond() -> None:
    steps = module.loop(camera(loop_ms=8, amplitude_pixels=1)).tolist()
    assert steps == [[0, -16], [8, -8], [16, 0], [8, 8], [0, 16], [-8, 8], [-16, 0], [-8, -8], [0, -16]]
    twice = module.loop(camera(loop_ms=8, amplitude_pixels=1, loops=2)).tolist()
    assert twice == steps + steps[1:]


def test_a_picture_at_rest_lies_in_the_middle_with_its_own_pixels() -> None:
    scene = module.upscale(picture(), 2)
    assert scene.shape == (68, 68)
    assert scene[:2].max() == scene[:, :2].max() == scene[-2:].max() == scene[:, -2:].max() == 0
    corners = scene[2:-2, 2:-2][::63, ::63]
    np.testing.assert_array_equal(corners, picture()[::7, ::7].astype(np.int64) * 16)


def test_growing_light_gives_as_many_on_events_as_thresholds_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black to white is ln(275 / 20) = 2.62 log units: five thresholds of 0.5, spread evenly over the millisecond."""
    assert math.floor(math.log(275 / 20) / 0.5) == 5
    move(monkeypatch, (0, 0), (0, 16))
    recording = simulate(WHITE, CAMERA, index=0)
    brighter = recording.p == 1
    assert set(recording.x[brighter]) == {BOTTOM}
    assert set(recording.x[~brighter]) == {TOP}
    for row in range(TOP, BOTTOM):
        assert recording.t[brighter & (recording.y == row)].tolist() == [166, 333, 500, 666, 833]
        assert recording.t[~brighter & (recording.y == row)].tolist() == [166, 333, 500, 666, 833]
    assert len(recording) == 2 * 64 * 5


def test_slow_growth_adds_up_until_a_threshold_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A white edge that comes by a sixteenth of a pixel a step: the light is 20 + 255 k / 16, one pixel, ON only."""
    move(monkeypatch, *((0, step) for step in range(17)))
    recording = simulate(WHITE, CAMERA, index=0)
    pixel = (recording.x == BOTTOM) & (recording.y == TOP)
    crossed = [math.floor(math.log((20 + 255 * step / 16) / 20) / 0.5) for step in range(17)]
    in_step = np.bincount(recording.t[pixel] // 1000, minlength=16)
    assert in_step.tolist() == np.diff(crossed).tolist()
    assert set(recording.p[pixel]) == {1}
    assert pixel.sum() == 5


def test_a_higher_threshold_gives_fewer_events(monkeypatch: pytest.MonkeyPatch) -> None:
    move(monkeypatch, (0, 0), (0, 16))
    counts = [len(simulate(WHITE, camera(contrast_threshold=value), index=0)) for value in (0.3, 0.5, 1.0, 2.0, 3.0)]
    assert counts == [2 * 64 * each for each in (8, 5, 2, 1, 0)]


@pytest.mark.parametrize(("refractory_us", "times"), [(167, [166, 333, 500, 833]), (300, [166, 500, 833])])
def test_a_pixel_is_silent_for_the_refractory_time(
    monkeypatch: pytest.MonkeyPatch, refractory_us: int, times: list[int]
) -> None:
    """Of 166, 333, 500, 666 and 833 us: at the end of the refractory time it is ready, 1 us earlier it is not."""
    move(monkeypatch, (0, 0), (0, 16))
    recording = simulate(WHITE, camera(refractory_us=refractory_us), index=0)
    pixel = (recording.x == BOTTOM) & (recording.y == TOP)
    assert recording.t[pixel].tolist() == times


@pytest.mark.parametrize("refractory_us", [1, 500, 2500])
def test_no_two_events_of_a_pixel_are_closer_than_the_refractory_time(refractory_us: int) -> None:
    recording = simulate(picture(), camera(refractory_us=refractory_us), index=0)
    order = np.lexsort((recording.t, recording.x, recording.y))
    place, t = (recording.y * 128 + recording.x)[order], recording.t[order]
    gaps = np.diff(t)[np.diff(place) == 0]
    assert len(gaps) > 100
    assert gaps.min() >= refractory_us


def test_nothing_happens_where_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(simulate(BLACK, CAMERA, index=0)) == 0
    move(monkeypatch, (5, 9), (5, 9), (5, 9))
    assert len(simulate(picture(), CAMERA, index=0)) == 0


def test_noise_is_the_expected_number_over_the_whole_sensor() -> None:
    recording = simulate(BLACK, camera(noise_hz=10.0), index=0)
    assert len(recording) == round(10 * 128 * 128 * 0.020)
    assert recording.t.min() >= 0
    assert recording.t.max() < 20_000
    for column, limit in ((recording.x, 128), (recording.y, 128), (recording.p, 2)):
        assert column.min() == 0
        assert column.max() == limit - 1
        assert abs(column.mean() / (limit - 1) - 0.5) < 0.02
    assert abs(recording.t.mean() / 20_000 - 0.5) < 0.02


def test_events_stand_in_the_order_of_their_times() -> None:
    assert (np.diff(simulate(picture(), camera(noise_hz=5.0), index=0).t) >= 0).all()


def test_mismatch_has_the_stated_deviation_and_never_reaches_zero() -> None:
    spread = module.thresholds(camera(threshold_mismatch=0.03), 0) / (4096 * 0.5)
    assert abs(spread.mean() - 1) < 0.001
    assert abs(spread.std() - 0.03) < 0.001
    assert module.thresholds(camera(contrast_threshold=0.001, threshold_mismatch=0.49), 0).min() >= 1
    assert set(module.thresholds(CAMERA, 0).ravel()) == {2048}


def test_seed_and_index_decide_and_nothing_else() -> None:
    noisy = camera(noise_hz=2.0, threshold_mismatch=0.1, seed=7)
    first = events(simulate(picture(), noisy, index=4))
    np.testing.assert_array_equal(first, events(simulate(picture(), noisy, index=4)))
    others = [
        simulate(picture(), noisy, index=5),
        simulate(picture(), noisy.model_copy(update={"seed": 8}), index=4),
    ]
    assert all(not np.array_equal(first, events(other)) for other in others)
    quiet = [events(simulate(picture(), camera(seed=seed), index=seed)) for seed in (0, 1)]
    np.testing.assert_array_equal(*quiet)


def test_the_bytes_of_a_recording_are_golden(tmp_path: Path) -> None:
    noisy = camera(noise_hz=2.0, threshold_mismatch=0.1, refractory_us=300, seed=7)
    write_aedat2(simulate(picture(), noisy, index=4), tmp_path / "a.aedat")
    assert hashlib.sha256((tmp_path / "a.aedat").read_bytes()).hexdigest() == GOLDEN


def test_aedat2_is_read_back_as_it_was_simulated(tmp_path: Path) -> None:
    written = simulate(picture(), camera(noise_hz=2.0), index=0)
    write_aedat2(written, tmp_path / "a.aedat")
    assert (tmp_path / "a.aedat").read_bytes().startswith(b"#!AER-DAT2.0\r\n")
    found = read_recording(tmp_path / "a.aedat")
    np.testing.assert_array_equal(events(found), events(written))
    assert (found.width, found.height) == (128, 128)
    assert [path.name for path in tmp_path.iterdir()] == ["a.aedat"]
