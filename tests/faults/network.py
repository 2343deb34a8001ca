"""Faults of the network: code whose computation differs from its description."""

import shutil
from functools import partial

from tests.faults import tools
from tests.faults.fault import Fault, add
from tests.faults.lab import Lab, edit_json
from tests.faults.tools import in_its_code

FAULTS: list[Fault] = []
fault = partial(add, FAULTS)


CPU, REFERENCE, NEURON = "models/kernels/numba_kernels.py", "models/kernels/reference.py", "models/neuron.py"
TO_ZERO = {
    NEURON: [("membrane - THRESHOLD * spikes.detach()", "membrane * (1 - spikes.detach())")],
    REFERENCE: [
        ("membrane = membrane - THRESHOLD * value", "membrane = membrane * (1 - value)"),
        (
            "membrane = membrane - THRESHOLD * (membrane > THRESHOLD).to(scale.dtype)",
            "membrane = membrane * (membrane <= THRESHOLD).to(scale.dtype)",
        ),
    ],
    CPU: [
        (
            "membrane[i] -= spiked if threshold > nothing else nothing",
            "membrane[i] = nothing if spiked > nothing else membrane[i]",
        ),
        ("membrane[i] = excess if excess > nothing", "membrane[i] = nothing if excess > nothing"),
    ],
}
AT_EQUALITY = {
    NEURON: [("(excess > 0)", "(excess >= 0)")],
    REFERENCE: [
        ("value = (membrane > THRESHOLD)", "value = (membrane >= THRESHOLD)"),
        ("THRESHOLD * (membrane > THRESHOLD)", "THRESHOLD * (membrane >= THRESHOLD)"),
    ],
    CPU: [
        ("spiked = threshold if membrane[i] > threshold", "spiked = threshold if membrane[i] >= threshold"),
        (
            "membrane[i] -= threshold if membrane[i] > threshold",
            "membrane[i] -= threshold if membrane[i] >= threshold",
        ),
        ("excess if excess > nothing else", "excess if excess >= nothing else"),
    ],
}
NO_BIASES = {
    "models/normalization.py": [
        ("return self.gain * self.scale, self.bias\n", "return self.gain * self.scale, 0 * self.bias\n")
    ]
}


def trained_by(lab: Lab, edits: dict[str, list[tuple[str, str]]]) -> None:
    """Code is changed, and everything from the training on is made by it."""
    lab.only(0)
    tools.change_code(lab, edits)
    in_its_code(lab, "train")
    shutil.rmtree(lab.root / "models")  # what is published is the code as it was
    shutil.rmtree(lab.root / "pipeline")
    for room in ("models", "pipeline"):
        (lab.root / room).symlink_to((lab.clean / room).resolve())


def same_identity(lab: Lab) -> None:
    """The training gets the name that the published code would have given it."""
    lab.only(0)
    name = tools.job_of(lab, 0).identity
    tools.change_config(lab, 0, lambda config: config.update(identity=name))
    result = lab.root / "results" / lab.experiment / "0.json"
    edit_json(result, lambda record: record["digests"].update(identity=name), lines=True)
    lab.mend()
    lab.stage("report")


@fault("wrong reset", "to zero, in the code", r"^reset: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, TO_ZERO)


@fault("wrong reset", "trained and evaluated by such code", r"predictions again: .*other voltages", anew=True)
def _(lab: Lab) -> None:
    trained_by(lab, TO_ZERO)
    same_identity(lab)


@fault("removed biases", "in the code", r"^bias: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, NO_BIASES)


@fault(
    "removed biases",
    "trained and evaluated by such code",
    r"layers have only biases of 0",
    anew=True,
)
def _(lab: Lab) -> None:
    trained_by(lab, NO_BIASES)
    same_identity(lab)


@fault(
    "removed biases",
    "set to zero in the weights, before evaluating",
    r"evaluate@.*model\.safetensors.*since the training wrote it",
    anew=False,
)
def _(lab: Lab) -> None:
    lab.only(0)
    without_biases(lab)
    lab.after("evaluate")


@fault(
    "removed biases",
    "set to zero in the weights, before evaluating",
    r"lab-weights: verdict DIFFERS|layers have only biases of 0",
    anew=True,
)
def _(lab: Lab) -> None:
    lab.only(0)
    without_biases(lab)
    lab.mend()
    lab.after("evaluate")


def without_biases(lab: Lab) -> None:
    weights = tools.get_weights(lab, 0)
    for name in weights:
        if name.endswith("norm.bias"):
            weights[name].zero_()
    tools.put_weights(lab, 0, weights)


@fault("a threshold that fires on equality", "in the code", r"^threshold: .* gives ", anew=False)
def _(lab: Lab) -> None:
    tools.change_code(lab, AT_EQUALITY)


@fault(
    "a threshold that fires on equality",
    "trained and evaluated by such code, published under its name",
    r"trained by other code or torch|^predictions again",
    anew=True,
)
def _(lab: Lab) -> None:
    trained_by(lab, AT_EQUALITY)


@fault(
    "a threshold that fires on equality",
    "the same, published under the name of the right code",
    r"predictions again|training again",
    anew=True,
)
def _(lab: Lab) -> None:
    trained_by(lab, AT_EQUALITY)
    same_identity(lab)
