"""Generates the reference of params.yaml: type, range, unit, meaning and values in the profiles of every key."""

import ast
import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt

from models.bounds import Within
from models.config import NetworkConfig
from pipeline.ground.params import CameraParams, ClusterParams, DownloadParams, PreprocessParams, WindowParams
from pipeline.ground.paths import PROFILES
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.params import RunParams
from website.checks import is_text

SECTIONS: dict[str, tuple[type, tuple[str, ...], str]] = {
    "download": (DownloadParams, ("datasets", "*", "download"), "where the data come from"),
    "camera": (CameraParams, ("datasets", "*", "download", "camera"), "the simulated camera of digits-dvs"),
    "preprocess": (PreprocessParams, ("datasets", "*", "preprocess"), "how the data become Arrow shards"),
    "window": (WindowParams, ("datasets", "*", "preprocess", "window"), "how long recordings are cut"),
    "model": (NetworkConfig, ("experiments", "*", "model"), "the network"),
    "training": (TrainingConfig, ("experiments", "*", "training"), "the training"),
    "run": (RunParams, ("runs", "*"), "one training"),
    "cluster": (ClusterParams, ("cluster",), "where and how fast; never changes a result"),
}
"""Class, path in params.yaml (`*` is any name) and subject of each part."""
UNIT = re.compile(r"\((milliseconds|microseconds|seconds|pixels)\b|^(Percent)\b|\b(natural log units)\b")
MANY = 6
"""If a key has more values than this in a profile, the cell shows their number."""
INTRODUCTION = """# params.yaml

`params.yaml` holds every value that can change a result, and, under `cluster`, where and how fast it is computed.
There are no defaults outside of it, except that the optional keys of `download` may be left out. `sresnet use PROFILE`
writes the file; `sresnet check` names every wrong key.

```yaml
profile: quick        # name of the profile that the file was made from
datasets:             # by name, each with `download` and `preprocess`
experiments:          # by name, each with `dataset`, `model` and `training`
runs:                 # one training a line, named <experiment>-<seed>
cluster:
```

Names of datasets, experiments, runs and the profile have at most 64 letters (a to z), digits, `-` and `_`.

Below, the small tables show the values of a key in each profile of `profiles/`. Several values mean that the profile
has several datasets or experiments; a dash means that the key does not occur there.
"""


def params_page() -> str:
    """Markdown with a section for each part of params.yaml and an entry for each of its keys."""
    profiles = {name: read_yaml(PROFILES / f"{name}.yaml", "", shared=True) for name in _profiles()}
    return "\n".join([INTRODUCTION, *(line for part in SECTIONS for line in _section(part, profiles))])


def _profiles() -> list[str]:
    """Names of the profiles from the smallest to the largest; unknown ones come last."""
    known = ["quick", "real-small", "study", "study-rates", "gpu", "low-latency", "paper"]
    names = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    return [name for name in known if name in names] + [name for name in names if name not in known]


def _section(part: str, profiles: Mapping[str, Any]) -> Iterator[str]:
    kind, place, subject = SECTIONS[part]
    yield from (f"## {part}", "", f"`{'.'.join(place).replace('*', 'NAME')}`: {subject}.", "")
    texts = docstrings(kind)
    for key, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is not None and str(hint).startswith("typing.ClassVar"):
            continue
        yield from (f"### {key} {{#{part}.{key} }}", "", f"**{described(hint, texts.get(key, ''))}**", "")
        yield from ((texts[key], "") if key in texts else ())
        yield from (*_values(profiles, (*place, key)), "")


def docstrings(kind: type) -> dict[str, str]:
    """The docstring of each field of a class, on one line."""
    (found,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(found, ast.ClassDef), kind
    texts = {}
    for node, after in itertools.pairwise(found.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_text(after):
            texts[node.target.id] = " ".join(ast.literal_eval(after.value).split()).replace("<", "&lt;")
    return texts


def described(hint: Any, text: str) -> str:
    """Type, range and unit as text."""
    unit = next((next(filter(None, found.groups())).lower() for found in [UNIT.search(text)] if found), "")
    return f"{_typed(hint)}{f'; {unit}' if unit else ''}"


def _typed(hint: Any) -> str:
    """A type as text, for instance: whole number, 1 to 200."""
    if get_origin(hint) is Annotated:
        inner, *extra = get_args(hint)
        return ", ".join([_typed(inner), *filter(None, map(_bounded, extra))])
    if get_origin(hint) in (Union, UnionType):
        return " or ".join("null" if one is NoneType else _typed(one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(f"`{one}`" for one in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list, each {_typed(get_args(hint)[0])}"
    names = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
    return names[hint] if hint in names else _mapping(hint)


def _mapping(hint: Any) -> str:
    assert inspect.isclass(hint), hint
    return f"the keys {', '.join(f'`{key}`' for key in get_type_hints(hint) if key != 'model_config')}"


def _bounded(extra: Any) -> str:
    if isinstance(extra, Within):
        return f"{_number(extra.low)} to {_number(extra.high)}"
    return f"at least {extra.ge}" if isinstance(extra, Ge) else f"above {extra.gt}" if isinstance(extra, Gt) else ""


def _number(value: float) -> str:
    if value == 2**63 - 1:
        return "2^63 - 1"
    return f"{value:,}" if value == 0 or abs(value) >= 0.001 else f"{value:g}"


def _values(profiles: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    """A table with a column for each profile; nothing if the key occurs in none."""
    cells = {name: _cell(list(_found(params, place))) for name, params in profiles.items()}
    if any(cells.values()):
        yield f"| {' | '.join(cells)} |"
        yield f"|{' --- |' * len(cells)}"
        yield f"| {' | '.join(cell or '–' for cell in cells.values())} |"


def _found(node: Any, place: tuple[str, ...]) -> Iterator[Any]:
    """All values at a path; `*` matches every name."""
    if not place:
        yield node
    elif isinstance(node, dict):
        for key in node if place[0] == "*" else [key for key in node if key == place[0]]:
            yield from _found(node[key], place[1:])


def _cell(values: list[Any]) -> str:
    texts = list(dict.fromkeys(map(_shown, values)))
    return ", ".join(texts) if len(texts) <= MANY else f"{len(texts)} values"


def _shown(value: Any) -> str:
    """A value in YAML syntax; a mapping is shown as set, since it has its own section."""
    if isinstance(value, dict):
        return "set"
    words = {None: "null", True: "true", False: "false"}
    return f"`{words[value] if value is None or isinstance(value, bool) else value}`"
