"""Long recordings are cut into windows of equal duration: no event is counted twice or lost between windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.recording import Recording
from pipeline.ground.errors import RecordingError
from pipeline.ground.params import WindowParams
from pipeline.preprocess.times import LATE
from pipeline.preprocess.windows import windows


def recording(times: list[int]) -> Recording:
    """Events that carry their place in the file as x."""
    t, zero = np.array(times, np.int64), np.zeros(len(times), np.int64)
    return Recording(t=t, x=np.arange(len(times)), y=zero, p=zero, width=10_000, height=10_000)


def cut(times: list[int], ms: int) -> dict[str, list[int]]:
    """Times by the name of their window."""
    made = windows(recording(times), WindowParams(ms=ms, min_events=1))
    return {name: piece.t.tolist() for name, piece in made}


def test_windows_follow_one_another_from_the_first_event() -> None:
    times = [500, 1000, 2499, 2500, 4499, 4500, 6499]
    assert cut(times, 2) == {
        "000000-000002ms": [500, 1000, 2499],
        "000002-000004ms": [2500, 4499],
    }  # the rest, 4500 to 6499, is one microsecond short


def test_the_event_that_completes_a_window_belongs_to_the_next() -> None:
    assert cut([0, 999, 1000], 1) == {"000000-000001ms": [0, 999]}
    assert cut([0, 999], 1) == {}


def test_a_silent_window_is_there_and_empty() -> None:
    assert cut([0, 2000, 3000], 1) == {"000000-000001ms": [0], "000001-000002ms": [], "000002-000003ms": [2000]}


def test_a_recording_without_events_has_no_windows() -> None:
    assert cut([], 5) == {}


def test_a_recording_whose_time_runs_back_is_cut_where_it_first_reaches_the_end() -> None:
    assert cut([0, 1500, 100, 100, 100, 2500, 3000], 1) == {
        "000000-000001ms": [0],
        "000001-000002ms": [1500, 100, 100, 100],
        "000002-000003ms": [2500],
    }


@given(steps=st.lists(st.integers(0, 900), min_size=1, max_size=80), ms=st.integers(1, 4))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_every_event_before_the_rest_is_in_one_window_in_order(steps: list[int], ms: int) -> None:
    times = np.cumsum(steps).tolist()
    made = windows(recording(times), WindowParams(ms=ms, min_events=1))
    whole = (times[-1] - times[0]) // (ms * 1000)
    assert len(made) == whole
    kept = [place for _, piece in made for place in piece.x.tolist()]
    assert kept == [place for place, t in enumerate(times) if t - times[0] < whole * ms * 1000]
    for index, (_, piece) in enumerate(made):
        assert all(index * ms * 1000 <= t - times[0] < (index + 1) * ms * 1000 for t in piece.t.tolist())


def test_a_time_that_leaps_is_named_and_makes_no_billion_windows() -> None:
    leap = recording([0, 10, 2**59, 2**59 + 1])
    with pytest.raises(
        RecordingError, match=f"event 2: time {2**59} after 10 makes {2**59 // 1000} windows of 4 events"
    ):
        windows(leap, WindowParams(ms=1, min_events=1))


@pytest.mark.parametrize(
    ("times", "event", "before", "seconds"),
    [
        ([12_345_678, 0, 500, 1_000_000], 1, 12_345_678, "12.3457"),  # an event left over from the run before
        ([0, 400_000, 500_000, 100, 200, 400_000], 3, 500_000, "0.4999"),  # a clock that was set back
    ],
)
def test_a_time_that_runs_back_names_the_event_and_what_to_do(
    times: list[int], event: int, before: int, seconds: str
) -> None:
    with pytest.raises(RecordingError) as error:
        cut(times, 100)
    assert str(error.value).startswith(
        f"event {event}: time {times[event]} after {before} goes back by {seconds} s, so its window is unknown; "
    )


def test_an_event_that_is_late_by_a_packet_is_no_error() -> None:
    assert len(cut([0, 50_000, 50_000 - LATE, 100_000], 100)) == 1
    with pytest.raises(RecordingError, match="event 2: "):
        cut([0, 50_000, 50_000 - LATE - 1, 100_000], 100)
