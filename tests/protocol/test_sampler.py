"""Batches are determined by (seed, epoch, sample) and use each sample once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from pipeline.protocol.sampler import encoding_seed, epoch_batches, hold_out, learning_rate, micro_batches_of
from tests.train.tiny import TRAINING


def test_an_epoch_uses_each_sample_once() -> None:
    samples = np.arange(100, 123)
    batches = epoch_batches(samples, replace(TRAINING, batch_size=5), seed=3, epoch=7)
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
    assert sorted(np.concatenate(batches)) == list(range(100, 123))


def test_drop_last_leaves_out_the_smaller_batch_only() -> None:
    dropping = replace(TRAINING, batch_size=5, drop_last=True)
    assert [len(batch) for batch in epoch_batches(np.arange(23), dropping, seed=0, epoch=0)] == [5, 5, 5, 5]
    assert [len(batch) for batch in epoch_batches(np.arange(20), dropping, seed=0, epoch=0)] == [5, 5, 5, 5]


def test_the_order_changes_with_seed_and_epoch_and_with_nothing_else() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(epoch_batches(np.arange(50), TRAINING, seed, epoch)))

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@given(st.integers(1, 40), st.integers(1, 7))
def test_shards_cut_a_batch_without_loss(size: int, shards: int) -> None:
    parts = micro_batches_of(np.arange(size), shards)
    assert len(parts) == shards
    assert list(np.concatenate(parts)) == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_part_of_each_class_is_held_out() -> None:
    labels = np.array([0] * 10 + [1] * 25 + [2] * 9)
    train, held = hold_out(labels, 20)
    assert np.bincount(labels[held]).tolist() == [2, 5, 1]
    assert sorted([*train, *held]) == list(range(44))
    assert len(hold_out(labels, 0)[1]) == 0


def test_learning_rate_of_the_authors() -> None:
    """70 epochs: 50 at the full rate, then 7, 7 and 6 (facts of the authors' train.py)."""
    config = replace(TRAINING, epochs=70, learning_rate=0.026844, decay_after=(70, 80, 90))
    rates = [learning_rate(config, epoch) for epoch in range(70)]
    assert [rates.count(rate) for rate in sorted(set(rates), reverse=True)] == [50, 7, 7, 6]
    assert rates[49] == 0.026844
    assert rates[50] == pytest.approx(0.0026844)


def test_learning_rate_decays_for_a_number_of_epochs_that_floats_miss() -> None:
    """0.7 x 90 is 62.999... as a float: a comparison of floats never fires."""
    config = replace(TRAINING, epochs=90, learning_rate=1.0, decay_after=(70, 80, 90))
    assert learning_rate(config, 63) == 1.0
    assert learning_rate(config, 64) == pytest.approx(0.1)


def test_encoding_seeds_differ_by_everything_that_they_depend_on() -> None:
    seeds = {encoding_seed(s, e, t, h) for s in range(3) for e in range(3) for t in range(3) for h in range(3)}
    assert len(seeds) == 81
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_learning_rate_of_a_cosine_with_warm_up() -> None:
    """Two epochs of warm-up, then four quarters of half a cosine: 1, (1 + sqrt(1/2)) / 2, 1/2, (1 - sqrt(1/2)) / 2."""
    config = replace(TRAINING, epochs=6, learning_rate=3.0, schedule="cosine", warmup_epochs=2, decay_after=())
    rates = [learning_rate(config, epoch) for epoch in range(6)]
    assert rates == pytest.approx([1.0, 2.0, 3.0, 2.5606601717798214, 1.5, 0.43933982822017864], rel=1e-14)


def test_steps_are_counted_from_the_first_epoch_after_a_warm_up_too() -> None:
    config = replace(TRAINING, epochs=4, learning_rate=4.0, warmup_epochs=1, decay_after=(50,))
    assert [learning_rate(config, epoch) for epoch in range(4)] == [2.0, 4.0, 4.0, 0.4]


@pytest.mark.parametrize(("epochs", "warm"), [(1, 0), (2, 1), (7, 0), (30, 5), (5, 4)])
def test_a_cosine_with_warm_up_is_torchs(epochs: int, warm: int) -> None:
    config = replace(TRAINING, epochs=epochs, learning_rate=0.1, schedule="cosine", warmup_epochs=warm, decay_after=())
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    rising = LinearLR(optimizer, start_factor=1 / (warm + 1), total_iters=warm)
    falling = CosineAnnealingLR(optimizer, T_max=epochs - warm)
    schedule = SequentialLR(optimizer, [rising, falling], [warm]) if warm else falling
    for epoch in range(epochs):
        assert learning_rate(config, epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        schedule.step()


def test_a_warm_up_may_end_where_the_first_decay_comes() -> None:
    config = replace(TRAINING, epochs=10, learning_rate=8.0, warmup_epochs=7)
    rates = [learning_rate(config, epoch) for epoch in range(10)]
    assert rates == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 0.8, 0.08])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"schedule": "cosine"}, r"decay_after must be empty with schedule cosine, not \[70, 80, 90\]"),
        ({"warmup_epochs": 2}, "warmup_epochs must be smaller than epochs, 2, not 2"),
        (
            {"epochs": 10, "warmup_epochs": 8},
            r"warmup_epochs must be at most 7, not 8: with decay_after \[70, 80, 90\]",
        ),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs momentum above 0; raise it, or set nesterov to false"),
        ({"label_smoothing": 1.0}, "label_smoothing must lie in 0 to 0.9, not 1.0"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(TRAINING, **values)
