"""models/<experiment>-<seed>.md: a model card of a trained network, in Hugging Face's layout.

Its first block is the metadata that their hub reads (model-index); https://huggingface.co/docs/hub/model-cards.
"""

import io
from typing import Any

from ruamel.yaml import YAML

from pipeline.evaluate.record import Record
from pipeline.ground.names import markdown
from pipeline.judge.audit import Audit
from pipeline.judge.matching import name_of
from pipeline.judge.verdicts import Judgement

TAGS = ["spiking-neural-network", "residual-network", "surrogate-gradient"]


def model_card(record: Record, audit: Audit) -> bytes:
    """The card of one training of this profile."""
    judged = [judgement for judgement in audit.judgements if name_of(record) in judgement.evidence]
    parts = (_metadata(record), _title(record), _use(record), _data(record), _training(record), _results(record))
    return "\n".join((*parts, _verdicts(judged), _loading(record), _citation())).encode()


def _metadata(record: Record) -> str:
    test, dataset = record.test, record.dataset
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"name": dataset["title"], "type": dataset["name"], "split": "test"},
        "metrics": [{"type": "accuracy", "name": "Test accuracy (%)", "value": round(test["top1_percent"], 4)}],
    }
    metadata = {
        "license": "apache-2.0",
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": TAGS,
        "metrics": ["accuracy"],
        "model-index": [{"name": f"{record.experiment}-{record.seed}", "results": [result]}],
    }
    text, yaml = io.StringIO(), YAML()
    yaml.default_flow_style = False
    yaml.dump(metadata, text)
    return f"---\n{text.getvalue()}---\n"


def _title(record: Record) -> str:
    network = record.network
    return f"""# S-ResNet, {markdown(record.dataset["title"])}: experiment {record.experiment}, seed {record.seed}

A residual spiking network of {6 * network["blocks"] + 2} weighted layers (n = {network["blocks"]}, {network["width"]}
filters in its first stage, T = {network["time_steps"]} time steps, {record.parameters:,} trainable parameters), trained
by surrogate gradients in a reproduction of “Keys to Accurate Feature Extraction Using Residual Spiking Neural Networks”
(doi 10.1088/2634-4386/ac8bef).
"""


def _use(record: Record) -> str:
    note = record.dataset["note"]
    about = f"\n- About the data: {markdown(note)}." if note else ""
    known = f"{len(record.dataset['classes'])} classes of {markdown(record.dataset['title'])}"
    return f"""## Intended use and limits

For checking this reproduction, and for comparing spiking networks on these data under the same protocol.

- It knows the {known} and was tested on that set alone.{about}
- One training with one seed: another seed gives another accuracy, by an amount that the interval below does not have
  in it.
- Its weights are those of this training, not the authors’. Robustness, fairness and calibration were not measured.
"""


def _data(record: Record) -> str:
    dataset = record.dataset
    sizes = f"{dataset['train_samples']:,} train, {dataset['test_samples']:,} test"
    return f"""## Data

| | |
| --- | --- |
| data | {markdown(dataset["title"])} |
| licence of the data | {markdown(dataset["licence"])} |
| source | {markdown(dataset["citation"])} |
| split | {markdown(dataset.get("split_rule") or "as published")}: {sizes} |
| framing | {markdown(dataset.get("framing_rule") or "images")} |
"""


def _training(record: Record) -> str:
    rows = {**record.network, **record.training}.items()
    values = "".join(f"| {markdown(name)} | {markdown(_plain(value))} |\n" for name, value in rows)
    return f"""## Network and training

| | |
| --- | --- |
{values}| computed on | {markdown(" and ".join(record.platforms))} |
"""


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _results(record: Record) -> str:
    test = record.test
    interval = f"[{test['top1_low']:.2f}, {test['top1_high']:.2f}]"
    counts = f"{test['correct']:,} of {test['samples']:,} test samples, 1 seed"
    return f"""## Results

| metric | value | 95 % interval (Wilson, test samples alone) | n |
| --- | --- | --- | --- |
| test accuracy | {test["top1_percent"]:.2f} % | {interval} | {counts} |

Every test sample counts once, the epoch is not chosen on the test set. The output voltages behind it lie in
`../evidence/artifacts/{record.experiment}/{record.seed}/predictions.parquet`.
"""


def _verdicts(judged: list[Judgement]) -> str:
    lines = "".join(f"- {one.claim}: {one.verdict}. {one.reason[:1].upper()}{one.reason[1:]}.\n" for one in judged)
    return f"## Claims that rest on it\n\n{lines or 'None: no claim is about this network, training and data.'}"


def _loading(record: Record) -> str:
    shape = ", ".join(map(str, record.dataset.get("sample_shape", ())))
    frames = record.dataset.get("framing_rule") is not None
    values = (
        "counts of events by time step and polarity, times the scale of the shards" if frames else "pixels in 0 to 1"
    )
    mean, std = (record.training.get(name) for name in ("pixel_mean", "pixel_std"))
    values += f", minus {_plain(mean)}, over {_plain(std)}" if mean else ""
    return f"""
## How to load it

The file is `artifacts/{record.experiment}/{record.seed}/model.safetensors`, SHA-256
`{record.digests["model"]}`; `sresnet verify --root CHECKOUT` hashes it.
With this repository installed (`sresnet predict` and `sresnet export` use it too):

```python
import torch

from models import SResNet

network = SResNet.from_pretrained("artifacts/{record.experiment}/{record.seed}")
with torch.no_grad():
    logits = network(torch.zeros(1, {shape}))  # (1, {len(record.dataset["classes"])}); inputs: {values}
```
"""


def _citation() -> str:
    return """## Citation

`CITATION.cff` of the repository names this reproduction and the paper (`../evidence/CITATION.cff`).
"""
