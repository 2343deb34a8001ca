"""A training is the same to the bit on any number of workers and after any interruption."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.protocol.bands import Bands
from pipeline.protocol.hardware import note_processor
from pipeline.protocol.reduce import Alone, Workers, in_threads, sum_over_micro_batches
from pipeline.train import step
from pipeline.train.checkpoints import Checkpoints, newest_state, write_state
from pipeline.train.export import export, finished
from pipeline.train.job import Job
from pipeline.train.loop import checkpoint, common_state, train
from pipeline.train.state import State
from pipeline.train.training import begin
from tests.train.tiny import RECIPE, TRAINING, tiny_job

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def restore_torch() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def train_on(workers: int, job: Job) -> State:
    in_threads(workers, lambda worker: train(job, worker, CPU, lambda text: None))
    return result_of(job)


def train_alone(job: Job) -> State:
    train(job, Alone(), CPU, lambda text: None)
    return result_of(job)


def result_of(job: Job) -> State:
    state = finished(job)
    assert state is not None
    return state


def test_a_worker_that_halts_stops_all_after_the_same_step_and_changes_no_bit(tmp_path: Path) -> None:
    """The second of two, asked the second time."""
    whole, job = train_alone(tiny_job(tmp_path / "whole", TRAINING)), tiny_job(tmp_path / "halted", TRAINING)
    answers = iter([False, True])

    def work(worker: Workers) -> None:
        halt = (lambda: next(answers)) if worker.rank == 1 else (lambda: False)
        train(job, worker, CPU, lambda text: None, halt=halt)

    in_threads(2, work)
    stopped = newest_state(job.checkpoint())
    assert stopped is not None
    assert (stopped.epoch, stopped.step) == (0, 2)
    assert all(torch.equal(value, whole.weights[name]) for name, value in train_alone(job).weights.items())


def common(tmp_path: Path, *folders: dict[int, State]) -> list[tuple[int, State]]:
    """What each worker resumes from, if the workers see these checkpoints."""
    job, found = tiny_job(tmp_path / "data", TRAINING), dict[int, tuple[int, State]]()
    jobs = [replace(job, runs=tmp_path / str(rank)) for rank in range(len(folders))]
    for own, states in zip(jobs, folders, strict=True):
        for number, state in states.items():
            write_state(state, own.checkpoint(), number)

    def work(worker: Workers) -> None:
        found[worker.rank] = common_state(jobs[worker.rank], worker, CPU, lambda text: None)

    in_threads(len(folders), work)
    return [found[rank] for rank in range(len(folders))]


A, B, C, D = (State(epoch=epoch) for epoch in range(1, 5))


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (({1: A, 2: B}, {1: A, 2: B}), (2, B)),
        (({1: A, 2: B}, {2: B, 3: C}), (2, B)),
        (({1: A, 2: B}, {1: A, 2: C}), (1, A)),  # another attempt's checkpoint under the same number
        (({}, {}), (0, State())),
    ],
)
def test_workers_resume_from_the_newest_checkpoint_that_all_have(
    tmp_path: Path, folders: tuple[dict[int, State], ...], expected: tuple[int, State]
) -> None:
    assert common(tmp_path, *folders) == [expected, expected]


@pytest.mark.parametrize("other", [{3: C, 4: D}, {}])
def test_without_a_common_checkpoint_the_workers_fail_and_start_again(tmp_path: Path, other: dict[int, State]) -> None:
    with pytest.raises(RuntimeError, match="no checkpoint in common"):
        common(tmp_path, {1: A, 2: B}, other)


def test_a_training_that_stops_after_an_epoch_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    whole, job = train_alone(tiny_job(tmp_path / "whole", TRAINING)), tiny_job(tmp_path / "stopped", TRAINING)
    for _ in range(2):  # the second time, nothing is left to do
        train(job.stopped(1), Alone(), CPU, lambda text: None)
        state = newest_state(job.checkpoint())
        assert state is not None
        assert (state.epoch, state.step, len(state.history)) == (1, 0, 1)
        assert finished(job) is None
    assert all(torch.equal(value, whole.weights[name]) for name, value in train_alone(job).weights.items())


def test_an_epoch_that_leaves_the_recorded_curves_is_said_and_changes_nothing(tmp_path: Path) -> None:
    plain = train_alone(tiny_job(tmp_path / "plain", TRAINING))
    of = {"train_loss": [(0.0, 0.0)] * TRAINING.epochs, "train_accuracy": [(0.0, 100.0)] * TRAINING.epochs}
    job, said = replace(tiny_job(tmp_path / "compared", TRAINING), bands=Bands(trainings=3, of=of)), list[str]()
    train(job, Alone(), CPU, lambda text: said.append(str(text)))
    warnings = [line for line in said if line.startswith("WARNING: epoch ")]
    assert len(warnings) == TRAINING.epochs
    assert warnings[0].endswith("is outside 0 to 0, the band of 3 recorded trainings")
    assert_same(result_of(job), plain)


def assert_same(one: State, other: State) -> None:
    assert one.history == other.history
    assert one.samples == other.samples
    assert one.weights.keys() == other.weights.keys()
    for name in one.weights:
        assert torch.equal(one.weights[name], other.weights[name]), name
    for part in ("momentum", "averages", "selected"):
        tensors, others = getattr(one, part), getattr(other, part)
        assert tensors.keys() == others.keys()
        for name in tensors:
            assert torch.equal(tensors[name], others[name]), name


@pytest.mark.parametrize(("workers", "parts"), [(2, {}), (3, {}), (2, RECIPE), (4, RECIPE)])
def test_workers_do_not_change_a_bit(tmp_path: Path, workers: int, parts: dict[str, Any]) -> None:
    """Three shards on one, two (which does not divide them), three and four workers; a last batch with an empty
    shard."""
    config = replace(TRAINING, micro_batches=3, batch_size=9, validation_percent=20, test_each_epoch=True, **parts)
    augmentation = "autoaugment" if parts else "none"
    job = tiny_job(tmp_path, replace(config, augmentation=augmentation), channels=3)
    alone = train_alone(job)
    many = train_on(workers, replace(job, runs=tmp_path / "others"))
    assert_same(alone, many)


@pytest.mark.parametrize("kind", ["images", "frames"])
@pytest.mark.parametrize("stop_at", [1, 3, 6])
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, stop_at: int
) -> None:
    augmentation = "autoaugment" if kind == "images" else "nda"
    job = tiny_job(tmp_path, replace(TRAINING, augmentation=augmentation, **RECIPE), kind=kind, channels=3)
    undisturbed = train_alone(job)
    other = replace(job, runs=tmp_path / "others", checkpoint_seconds=0)  # 0: after each step
    steps = 0

    def interrupted(*about: Any) -> tuple[Tensor, list[Tensor]]:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            raise KeyboardInterrupt
        return sum_over_micro_batches(*about)

    monkeypatch.setattr(step, "sum_over_micro_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(other, Alone(), CPU, lambda text: None)
    assert finished(other) is None
    said: list[object] = []
    train(other, Alone(), CPU, said.append)
    assert str(said[0]).startswith("resumes from epoch") == (stop_at > 1)
    assert_same(undisturbed, result_of(other))


def test_another_configuration_starts_afresh(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, TRAINING)
    train_alone(job)
    assert finished(replace(job, training=replace(TRAINING, learning_rate=0.01))) is None
    assert finished(replace(job, seed=1)) is None
    assert finished(job) is not None


@pytest.mark.parametrize("nesterov", [False, True])
def test_one_shard_is_plain_sgd_on_the_mean_loss(tmp_path: Path, nesterov: bool) -> None:
    """The same first step by torch's own means."""
    job = tiny_job(tmp_path, replace(TRAINING, micro_batches=1, epochs=1, batch_size=30, nesterov=nesterov))
    state = train_alone(job)
    model = job.build()
    model.reset_parameters(torch.Generator().manual_seed(job.seed))
    about = {"lr": 0.026844, "momentum": 0.9, "weight_decay": 1e-4, "nesterov": nesterov}
    optimizer = torch.optim.SGD(model.parameters(), **about)
    store = job.train_store()
    from pipeline.protocol.sampler import epoch_batches

    (batch,) = epoch_batches(torch.arange(len(store)).numpy(), job.training, job.seed, 0)
    inputs = torch.from_numpy(store.read(batch)).float() * store.scale
    loss = torch.nn.functional.cross_entropy(model.train()(inputs), torch.from_numpy(store.labels[batch]))
    loss.backward()
    optimizer.step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(state.weights[name], value, rtol=1e-5, atol=1e-6)
    assert state.history[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_a_loss_that_is_no_number_is_one_clear_error(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, learning_rate=1000.0, weight_decay=10.0))
    with pytest.raises(InputError, match=r"the loss is .* at epoch 2, step 2; a lower training.learning_rate"):
        train(job, Alone(), CPU, lambda text: None)


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    """The last update of all can spoil them after the last loss was computed."""
    job = tiny_job(tmp_path, TRAINING)
    training = begin(job, Alone(), CPU, State())
    training.parameters[0].data.fill_(float("inf"))
    with Checkpoints(job.checkpoint(), 0) as checkpoints, pytest.raises(InputError, match=r"NaN or infinite; a lower"):
        checkpoint(training, checkpoints)
    assert not job.checkpoint().exists()


def test_best_validation_keeps_that_epochs_weights(tmp_path: Path) -> None:
    config = replace(TRAINING, selection="best-validation", validation_percent=40, epochs=3)
    state = train_alone(tiny_job(tmp_path, config))
    best = max(row["validation_accuracy"] or 0.0 for row in state.history)
    first = next(row for row in state.history if row["validation_accuracy"] == best)
    shorter = replace(config, epochs=int(first["epoch"] or 0))
    # Up to that epoch a shorter training is the same, since no learning rate has decayed.
    again = train_alone(tiny_job(tmp_path, replace(shorter, decay_after=())))
    assert state.selected.keys() == again.weights.keys()
    for name in again.weights:
        assert torch.equal(state.selected[name], again.weights[name])


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_export_without_what_computed_is_one_error_and_writes_nothing(tmp_path: Path, content: bytes | None) -> None:
    job = tiny_job(tmp_path, replace(TRAINING, epochs=1))
    train_alone(job)
    if content is not None:
        job.platforms().write_bytes(content)
    with pytest.raises(InputError, match=r"platforms\.txt: missing or damaged .*copy the whole folder"):
        export(job, "tiny", "tiny-data", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_export_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, TRAINING)
    train_alone(job)
    note_processor(job.platforms(), CPU, job.network.precision)
    for folder in ("a", "b"):
        export(job, "tiny", "tiny-data", tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["config.json", "history.csv", "model.safetensors"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    digests = json.loads((tmp_path / "a" / "config.json").read_text())["sha256"]
    assert digests == {name: sha256(tmp_path / "a" / name) for name in ("model.safetensors", "history.csv")}
    head = (tmp_path / "a" / "history.csv").read_text().splitlines()[0]
    assert head == (
        "epoch,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy,test_accuracy_authors,"
        "validation_accuracy_recomputed,test_accuracy_recomputed,samples_sha256"
    )


def test_averages_are_scored_and_exported_and_change_no_weight(tmp_path: Path) -> None:
    jobs = [tiny_job(tmp_path, replace(TRAINING, average_decay=decay, validation_percent=40)) for decay in (0.0, 0.9)]
    (plain, averaged), job = map(train_alone, jobs), jobs[1]
    for name, value in plain.weights.items():
        assert torch.equal(averaged.weights[name], value)
    assert plain.averages == {}
    assert plain.history[-1]["validation_loss"] != averaged.history[-1]["validation_loss"]
    note_processor(job.platforms(), CPU, job.network.precision)
    export(job, "tiny", "tiny-data", tmp_path / "a")
    exported = load_file(tmp_path / "a" / "model.safetensors")
    assert exported.keys() == averaged.averages.keys()
    for name, value in exported.items():
        assert torch.equal(value, averaged.averages[name])
        assert not torch.equal(value, averaged.weights[name])


def test_a_training_without_momentum(tmp_path: Path) -> None:
    assert train_alone(tiny_job(tmp_path, replace(TRAINING, momentum=0.0, epochs=1))).momentum == {}


@pytest.mark.parametrize("selection", ["last", "best-validation"])
def test_scores_with_and_without_recomputed_statistics_are_in_the_history(tmp_path: Path, selection: str) -> None:
    config = replace(TRAINING, validation_percent=40, test_each_epoch=True, batch_size=6, selection=selection)
    plain = train_alone(tiny_job(tmp_path, config))
    found = train_alone(tiny_job(tmp_path, replace(config, statistics="recomputed")))
    added = ("validation_accuracy_recomputed", "test_accuracy_recomputed")
    assert [{**row, **dict.fromkeys(added)} for row in found.history] == plain.history
    assert [[row[name] is not None for name in added] for row in found.history] == [[False, False], [True, True]]
    result = plain.selected or plain.weights
    for name, value in found.selected.items():
        assert torch.equal(value, result[name]) == ("running" not in name), name
