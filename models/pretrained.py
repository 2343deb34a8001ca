"""A trained network as a folder, on disk or on the Hugging Face hub: model.safetensors, config.json, README.md.

model.safetensors alone is the whole network (checkpoint.py). config.json adds `inputs`: how a file becomes an input,
and the names of the classes. README.md is the model card.
"""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .checkpoint import load_network, save_network
from .sresnet import SResNet

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_HUB = "install huggingface_hub to use a name on the hub (`pip install 'sresnet[hub]'`), or give a folder"


def load_pretrained(source: str | Path, revision: str | None = None, token: str | None = None) -> SResNet:
    """The network in a folder, or in a repository on the hub, in evaluation mode.

    `source` is a folder if one of that name exists, else a name on the hub (`user/name`), which alone needs the
    network. Raises ValueError that names the file and what is wrong in it; FileNotFoundError without a network there.
    """
    folder = Path(source) if Path(source).is_dir() else _downloaded(str(source), revision, token)
    model = load_network(folder / WEIGHTS)
    model.inputs, model.card = read_inputs(folder / CONFIG), _text(folder / CARD)
    return model.eval()


def save_folder(model: SResNet, folder: Path) -> None:
    """Writes the network into a folder, from which `load_pretrained` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"network": asdict(model.config), "inputs": model.inputs}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(model.card or _card(model), encoding="utf-8")
    save_network(model, folder / WEIGHTS)  # last: without it the folder is no network


def push_folder(model: SResNet, repo_id: str, *, private: bool | None, message: str, token: str | None) -> str:
    """Uploads the network as one commit to a repository on the hub, which is made if needed. Returns its address."""
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise ImportError(_HUB) from None
    api = HfApi(token=token)
    repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
    with tempfile.TemporaryDirectory() as temporary:
        save_folder(model, Path(temporary))
        return str(api.upload_folder(repo_id=repository, folder_path=temporary, commit_message=message))


def _downloaded(name: str, revision: str | None, token: str | None) -> Path:
    if name.count("/") != 1 or name.startswith(("/", ".", "~")):
        raise FileNotFoundError(f"{name}: no such folder; expected one with {WEIGHTS}, or user/name on the hub")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ImportError(f"{name}: no such folder; {_HUB}") from None
    return Path(snapshot_download(name, revision=revision, token=token, allow_patterns=[WEIGHTS, CONFIG, CARD]))


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
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text; fetch it again") from None


def _card(model: SResNet) -> str:
    """A model card with what is known of the network; a run's report has a longer one."""
    config, inputs = model.config, model.inputs or {}
    known = f"trained on {inputs['title']}" if "title" in inputs else "of which the training data are not recorded"
    return f"""---
library_name: sresnet
tags: [spiking-neural-network, s-resnet, {"event-camera" if model.frames else "image-classification"}]
---

# S-ResNet, {6 * config.blocks + 2} layers, {config.width} filters, T = {config.time_steps}, {known}

A residual spiking network after Vicente-Sola et al. 2022 (doi 10.1088/2634-4386/ac8bef).

```python
from sresnet import SResNet

network = SResNet.from_pretrained("THIS_REPOSITORY")
```

Inputs have the shape (batch, {", ".join(map(str, _sample_shape(model)))}); config.json says how a file becomes one, and
names the {model.classes} classes.
"""


def _sample_shape(model: SResNet) -> tuple[int, ...]:
    return ((model.config.time_steps,) if model.frames else ()) + model.input_shape
