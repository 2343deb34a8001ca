"""Which numbers may differ on another processor, and which may not."""

import numpy as np

from pipeline.evaluate.predictions import About, Predictions
from pipeline.ground.differences import value_differences
from pipeline.verify.strayed import close_rates, close_work, other_answers, stray_samples

ABOUT = About(experiment="a", seed=0, classes=["x", "y"], model_sha256="", data_digest="")
VOLTAGE = np.array([[[1.0, 0.0]]] * 200, dtype=np.float32)
"""200 samples, one step, two classes."""
STATED = Predictions(
    about=ABOUT, ids=[str(index) for index in range(200)], labels=np.zeros(200, np.int64), voltage=VOLTAGE
)


def changed(samples: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Voltages in which so many answers are others."""
    made = VOLTAGE.copy()
    made[:samples] = made[:samples, :, ::-1]
    return made


def test_a_hundredth_of_the_samples_may_stray_on_another_processor_and_none_on_this_one() -> None:
    assert stray_samples(changed(2), VOLTAGE, exact=False) == 0
    assert stray_samples(changed(3), VOLTAGE, exact=False) == 3
    assert stray_samples(changed(1), VOLTAGE, exact=True) == 1


def test_large_voltages_make_no_room_for_other_answers() -> None:
    """A number added to all classes changes no answer, and makes the tolerance of 0.1 % larger than their gaps."""
    large = np.float32(1e4)
    assert stray_samples(VOLTAGE + large, VOLTAGE + large, exact=False) == 0
    assert stray_samples(changed(3) + large, VOLTAGE + large, exact=False) == 3


def test_voltages_that_are_no_numbers_are_not_close() -> None:
    for value in (np.inf, np.nan):
        made = VOLTAGE.copy()
        made[:3, :, 1] = -value
        assert stray_samples(made, made, exact=False) == 3


def test_other_answers_are_counted_with_the_accuracy_both_ways() -> None:
    assert other_answers(VOLTAGE * 1.0001, STATED) is None
    said = "2 of 200 answers differ from the stated ones: 100.00 % are right as stated, 99.00 % as recomputed"
    assert other_answers(changed(2), STATED) == said


def rates(*values: float, neurons: int = 8) -> dict[str, object]:
    return {"stem": {"neurons": neurons, "rate": list(values)}}


def test_rates_may_differ_by_a_fiftieth_of_the_layers_mean() -> None:
    made = rates(0.1, 0.3)  # a mean of 0.2
    for stated, differences in (
        (rates(0.104, 0.297), []),
        (rates(0.105, 0.3), ["stem/rate/0"]),
        (rates(0.01, 0.03), ["stem/rate/0", "stem/rate/1"]),
        (rates(0.1, 0.3, neurons=9), ["stem/neurons"]),
        (rates(0.1), ["stem/rate"]),
        ({}, ["stem"]),
    ):
        assert [where for where, _, _ in value_differences(made, close_rates(made, stated))] == differences


def work(**values: int) -> dict[str, object]:
    counts = {"samples": 9, "nonzero": 1000, "binary": 600, "graded": 400, "graded_units": 800, "real": 0}
    return {"steps": 2, "layers": {"stem": counts | values}}


def test_operations_may_change_their_kind_and_little_else() -> None:
    for stated, differences in (
        (work(nonzero=1010), []),
        (work(binary=1000, graded=0, graded_units=400), []),  # one spike less, and all is binary
        (work(nonzero=1030), ["layers/stem/nonzero"]),
        (work(real=10), ["layers/stem/real"]),
        (work(samples=10), ["layers/stem/samples"]),
    ):
        assert [where for where, _, _ in value_differences(*close_work(work(), stated))] == differences
