"""Compares our network with the authors' code: same weights, same inputs, one optimizer step.

In float64 every number has to agree. In float32 a rounding difference in the last bit of a membrane can flip a spike,
so flips are counted: ours against theirs, and each against float64, which shows whether one is less exact.
"""

import dataclasses
from pathlib import Path
from types import ModuleType

import torch

from pipeline.authors.agreement import BOUND, Agreement, disagreements, flips
from pipeline.authors.authors_code import COMMIT, MODEL_SHA256, digest, load_authors_model, without_gpu
from pipeline.authors.checkpoint import AUTHORS_LEAK, from_authors
from pipeline.authors.compare import flip_text
from pipeline.authors.side_by_side import (
    CASES,
    Case,
    Sizes,
    initial,
    made,
    neuron_layers,
    of_ours,
    of_theirs,
    two_batches,
)
from pipeline.ground.errors import InputError


def compare_all(folder: Path, sizes: Sizes) -> tuple[list[Agreement], str | None]:
    """The comparison of every case, and a warning if model.py is not from the commit that this was written against.

    Raises InputError if their code cannot be run.
    """
    module, found = load_authors_model(folder), digest(folder)
    warning = None
    if found != MODEL_SHA256:
        warning = (
            f"{folder / 'model.py'} is not the file of commit {COMMIT[:7]} that this was written against: "
            f"SHA-256 without carriage returns {found}, expected {MODEL_SHA256}"
        )
    return [compare_case(case, module, sizes) for case in CASES], warning


def compare_case(case: Case, module: ModuleType, sizes: Sizes) -> Agreement:
    """Their network and ours with the same weights on the same inputs. Raises InputError."""
    try:
        with without_gpu(module):
            return _compare(case, module, sizes)
    except InputError:
        raise
    except Exception as error:  # third-party code can raise anything
        raise InputError(
            f"{case.name}: their {case.kind} and ours cannot be compared ({type(error).__name__}: {error}); "
            f"expected model.py of commit {COMMIT[:7]}"
        ) from error


def _compare(case: Case, module: ModuleType, sizes: Sizes) -> Agreement:
    start = initial(case, module, sizes)
    inputs, labels = two_batches(case, sizes)
    computed = {}
    for dtype in (torch.float64, torch.float32):
        values = {name: value.to(dtype) if value.is_floating_point() else value for name, value in start.items()}
        theirs = made(case, module, sizes).to(dtype)
        theirs.load_state_dict(values)
        ours = from_authors(values, leak=AUTHORS_LEAK, boosting=case.boosting)
        batches = inputs.to(dtype)
        computed[dtype] = of_ours(ours, case, batches, labels), of_theirs(theirs, ours, batches, labels)
    return Agreement(
        case=case,
        differences=tuple(disagreements(*computed[torch.float64])),
        flips=tuple(flips(name, computed) for name in neuron_layers(ours)),
    )


def agreement_table(outcomes: list[Agreement]) -> str:
    """A table of the largest differences in float64 and the flips in float32 of each case, then the verdict."""
    form = "{:<18}{:<26}{:>12}{:>12}  {}"
    lines = [form.format("network", "float64", "difference", "values to", "largest at")]
    for outcome in outcomes:
        for found in outcome.differences:
            numbers = f"{found.largest:.1e}", f"{found.greatest:.2g}"
            where = (found.where if found.largest else "") + ("" if found.equal else "  <- DIFFERENT")
            lines.append(form.format(outcome.case.name, found.quantity, *numbers, where).rstrip())
    lines += ["", *flip_lines(outcomes), "", verdict(outcomes)]
    return "\n".join(lines)


def flip_lines(outcomes: list[Agreement]) -> list[str]:
    """One line per case: flips over all its layers, and its first flip."""
    form = "{:<18}{:>14}{:>12}{:>16}{:>16}{:>18}  {}"
    head = ("network", "neuron-steps", "spikes", "ours - theirs", "ours - float64", "theirs - float64")
    lines = ["float32: spikes that differ", form.format(*head, "first of ours - theirs")]
    for outcome in outcomes:
        between = [flips.between for flips in outcome.flips]
        counts = (
            sum(layer.neurons * len(layer.flips) for layer in between),
            sum(layer.spikes for layer in between),
            sum(sum(layer.flips) for layer in between),
            sum(flips.ours for flips in outcome.flips),
            sum(flips.theirs for flips in outcome.flips),
        )
        lines.append(form.format(outcome.case.name, *counts, flip_text(outcome.first_flip())))
    return lines


def verdict(outcomes: list[Agreement]) -> str:
    """The verdict over all cases, in one line."""
    if different := [outcome.case.name for outcome in outcomes if not outcome.equal]:
        return f"DIFFERENT beyond {BOUND:g} in float64: {'; '.join(different)}"
    worst = max(found.largest for outcome in outcomes for found in outcome.differences)
    return f"EQUAL in float64: the largest difference is {worst:.1e}, the bound {BOUND:g}"


def compare_with_authors(folder: Path, sizes: Sizes) -> None:
    """Prints the table. Raises InputError if their code cannot be run or computes something else."""
    wrong = [name for name, value in dataclasses.asdict(sizes).items() if value < 1]
    if wrong:
        raise InputError(f"--{wrong[0]} must be at least 1")
    outcomes, warning = compare_all(folder, sizes)
    print(agreement_table(outcomes))
    if warning:
        print(f"WARNING: {warning}")
    if not all(outcome.equal for outcome in outcomes):
        raise InputError(f"{folder}: theirs and ours compute different things")
