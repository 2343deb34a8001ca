"""A trained network as a folder, on disk or on the Hugging Face hub: model.safetensors, config.json, README.md.

model.safetensors alone is the whole network (checkpoint.py). config.json adds `inputs`: how a file becomes an input,
and the names of the classes. README.md is the model card.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .checkpoint import load_network, save_network
from .numbers import unsound
from .sresnet import SResNet

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_OF_A_TRAINING = "history.csv"
_HUB = "install huggingface_hub to use a name on the hub (`pip install huggingface_hub`), or give a folder"
_MOST_BYTES = 16 << 20
"""Maximum size of config.json and of a model card; ours have a few kilobytes."""
_OF_DATA = ("title", "licence", "citation")


def load_pretrained(source: str | Path, revision: str | None = None, token: str | None = None) -> SResNet:
    """The network in a folder, or in a repository on the hub, in evaluation mode.

    `source` is a folder if one of that name exists, else a name on the hub (`user/name`), which alone needs the
    network. Raises ValueError that names the file and what is wrong in it; FileNotFoundError without a network there.
    """
    folder = Path(source) if Path(source).is_dir() else _downloaded(str(source), revision, token)
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(
            f"{source}: no {WEIGHTS} there; expected a training's folder or what save_pretrained wrote"
        )
    model = load_network(folder / WEIGHTS)
    model.inputs, model.card = read_inputs(folder / CONFIG), _text(folder / CARD)
    return model.eval()


def save_folder(model: SResNet, folder: Path, name: str | None = None) -> None:
    """Writes the network into a folder, from which `load_pretrained` reads it; `name` is what its card loads.

    Raises ValueError for a network that could not be read back, and for the folder of a training. A failure before the
    first of the three files is replaced leaves the folder as it was; a later one leaves new files beside old ones.
    """
    _check_readable(model)
    if (folder / _OF_A_TRAINING).exists():
        raise ValueError(f"{folder}: the folder of a training, whose config.json would be replaced; choose another one")
    folder.mkdir(parents=True, exist_ok=True)
    config = {"network": asdict(model.config), "inputs": model.inputs}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        written = Path(temporary)
        (written / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (written / CARD).write_text(model.card or _card(model, name or folder.resolve().name), encoding="utf-8")
        save_network(model, written / WEIGHTS)
        for path in (CONFIG, CARD, WEIGHTS):
            (written / path).replace(folder / path)


def _check_readable(model: SResNet) -> None:
    """Raises ValueError for what `load_network` would refuse."""
    for name, value in model.state_dict().items():
        if value.dtype != torch.float32:
            raise ValueError(
                f"tensor {name} is {value.dtype}, but files hold float32: call the network's float() first"
            )
        if reason := unsound(name, value):
            raise ValueError(f"tensor {name}: {reason}; such a network cannot be saved")


def push_folder(model: SResNet, repo_id: str, *, private: bool | None, message: str, token: str | None) -> str:
    """Uploads the network as one commit to a repository on the hub, which is made if needed. Returns its address.

    Raises ValueError for a network that could not be read back, before the hub is asked; else what huggingface_hub
    raises. A repository that was made stays if the upload fails; the same call goes on.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise ImportError(_HUB) from None
    with tempfile.TemporaryDirectory() as temporary:
        save_folder(model, Path(temporary), repo_id)
        api = HfApi(token=token)
        repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        return str(api.upload_folder(repo_id=repository, folder_path=temporary, commit_message=message))


def _downloaded(name: str, revision: str | None, token: str | None) -> Path:
    if name.count("/") != 1 or name.startswith(("/", ".", "~")):
        raise FileNotFoundError(f"{name}: no such folder; expected one with {WEIGHTS}, or user/name on the hub")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ImportError(f"{name}: no such folder; {_HUB}") from None
    try:
        return Path(snapshot_download(name, revision=revision, token=token, allow_patterns=[WEIGHTS, CONFIG, CARD]))
    except OSError as error:
        reason = " ".join(str(error).splitlines()[:1])
        raise FileNotFoundError(f"{name}: no such folder, and the hub does not give it ({reason})") from error


def read_inputs(config: Path) -> dict[str, Any] | None:
    """The `inputs` of a config.json; None without them, or without the file. Raises ValueError."""
    if (text := _text(config)) is None:
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{config}: not JSON ({error}); fetch it again") from None
    inputs = content.get("inputs") if isinstance(content, dict) else None
    if inputs is not None and not isinstance(inputs, dict):
        raise ValueError(f"{config}: inputs is {str(inputs)[:60]!r}, expected keys with values; fetch it again")
    return inputs


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{path}: larger than {_MOST_BYTES:,} bytes; fetch it again")
        return content.decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text; fetch it again") from None


def _card(model: SResNet, name: str) -> str:
    """A model card with what is known of the network; a run's report has a longer one."""
    config, inputs = model.config, model.inputs
    images = "event-camera" if model.frames else "image-classification"
    return f"""---
library_name: sresnet
tags: [spiking-neural-network, s-resnet, {images}]
---

# S-ResNet, {6 * config.blocks + 2} layers, {config.width} filters, T = {config.time_steps}

A residual spiking network after Vicente-Sola et al. 2022 (doi 10.1088/2634-4386/ac8bef).

```python
from sresnet import SResNet

network = SResNet.from_pretrained("{name}")
```

Inputs have the shape (batch, {", ".join(map(str, _sample_shape(model)))}). There are {model.classes} classes.
{_data(inputs) if inputs else "The training data are not recorded."}

This card states no accuracy: none was measured when it was written. Whether the weights were trained further, on other
data, is not recorded.
"""


def _data(inputs: dict[str, Any]) -> str:
    """The training data in words; values from a file may be anything, so each becomes one line."""
    title, licence, citation = (" ".join(str(inputs.get(key, "unknown")).split()) for key in _OF_DATA)
    return (
        "config.json names them, and says how a file becomes an input.\n\n"
        f"Trained on {title}. Licence of the data: {licence}. Source: {citation}."
    )


def _sample_shape(model: SResNet) -> tuple[int, ...]:
    return ((model.config.time_steps,) if model.frames else ()) + model.input_shape
