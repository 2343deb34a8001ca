"""README.md of an export: what the files compute, how to run them, and what was checked."""

from models.sresnet import SResNet
from models.stepwise import StepNetwork
from pipeline.export.check import CLOSE_LOGITS, ExportCheck
from pipeline.ground.names import markdown
from pipeline.predict.network import Trained

_ENCODED = {
    "direct": "Every time step has the same values.",
    "poisson": "From these values x, each time step draws spikes: sign(x) with probability min(1, |x| / 2), else 0.",
    "latency": (
        "From these values x, `window.*` makes spikes; for `step.onnx` make them first: sign(x) at the time step "
        "round((1 - min(1, |x| / 2)) (T - 1)), 0 at the others."
    ),
}
"""How a step's input follows from an image (models/encoding.py)."""


def card(trained: Trained, to: str, checks: list[ExportCheck]) -> str:
    """The card of an export to onnx, nir or torch."""
    model, inputs = trained.model, trained.inputs
    use = {"onnx": _onnx, "nir": _nir, "torch": _program}[to](model, {check.file for check in checks})
    rows = "".join(_row(check) for check in checks)
    classes = ", ".join(markdown(name) for name in inputs.classes)
    return f"""# S-ResNet trained on {markdown(inputs.title)}, for {to}

{use}
## Inputs and outputs

{_inputs(trained)}
Logits are in the order of the classes: {classes}.

## What was checked

| file | run by | samples | same class | logits within {CLOSE_LOGITS:g} | largest difference |
| --- | --- | --- | --- | --- | --- |
{rows}
A sample whose logits differ by more has a neuron so near its threshold that another order of a sum decides whether it
fires. Speed, other programs and other hardware were not checked.

## Data

{markdown(inputs.title)}. Licence: {markdown(inputs.licence)}. Source: {markdown(inputs.citation)}.
"""


def _row(check: ExportCheck) -> str:
    cells = (check.file, check.program, check.samples, check.samples, check.close, f"{check.largest:.1e}")
    return f"| {' | '.join(map(str, cells))} |\n"


def _inputs(trained: Trained) -> str:
    inputs, model = trained.inputs, trained.model
    text = f"A sample has the shape {inputs.sample_shape}: "
    if inputs.kind == "frames":
        rule = ", ".join(f"{name} {value}" for name, value in (inputs.framing or {}).items())
        counts = f"counts of events per frame, polarity and pixel, divided by {round(1 / inputs.scale)}"
        return f"{text}{counts} ({markdown(rule)}).\n"
    text += f"8-bit pixels divided by {round(1 / inputs.scale)}"
    if inputs.pixel_mean:
        text += f", minus {inputs.pixel_mean}, divided by {inputs.pixel_std} per channel"
    return f"{text}. {_ENCODED[model.config.encoding]}\n"


def _onnx(model: SResNet, files: set[str]) -> str:
    state = "".join(
        f"| state_{place} | {list(value.shape[1:])} | {float(value.flatten()[0]):g} |\n"
        for place, value in enumerate(StepNetwork(model).start(1))
    )
    window = """`window.onnx` computes all time steps:

```python
import onnxruntime

session = onnxruntime.InferenceSession("window.onnx")
(logits,) = session.run(None, {"inputs": samples})  # float32, any number of samples
```

"""
    return f"""{window if "window.onnx" in files else ""}`step.onnx` computes one time step, for streams. Its inputs:

- `inputs`: the sample at this step, float32.
- `step`: the number of the step, 0 to {model.config.time_steps - 1}, as an int64 array such as `[0]`.
- `state_0` and on: the state before the step.

Its outputs are `logits` and the state after the step, which is the next step's input. The logits of the last step are
those of the whole window.

| state | shape of one sample | value before step 0 |
| --- | --- | --- |
{state}"""


def _nir(model: SResNet, files: set[str]) -> str:
    from pipeline.export.nir_graph import DT

    return f"""`network.nir` computes one time step of {DT:g} s (forward Euler), {model.config.time_steps} for a sample:

```python
import nir

graph = nir.read("network.nir")
```

The output is the integrated current of the output neurons, (K, 1, 1). After the last step, divided by
{model.config.time_steps}, it is the logits. Where several edges end in a node, its input is their sum. The
normalization is folded into the convolutions.
"""


def _program(model: SResNet, files: set[str]) -> str:
    return """`window.pt2` computes all time steps, with PyTorch alone:

```python
import torch

network = torch.export.load("window.pt2").module()
logits = network(samples)  # float32, any number of samples
```
"""
