"""Profiles, written out: in a params.yaml each experiment has all of its values under its own keys."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.ground.yaml_file import read_yaml


def read_profile(path: Path) -> CommentedMap:
    """A profile with its comments, and without the anchors and merge keys that keep it short. Raises InputError."""
    read_yaml(path)  # a broken one is refused by name
    complete: CommentedMap = _complete(_yaml().load(path.read_text(encoding="utf-8")), set())
    for experiment in complete["experiments"].values():
        for values in (experiment, experiment["model"], experiment["training"]):
            values.fa.set_block_style()
    return complete


def written(profile: CommentedMap) -> bytes:
    """The text of a params.yaml."""
    text = io.StringIO()
    _yaml().dump(profile, text)
    return text.getvalue().encode()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 200
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _complete(value: Any, seen: set[int]) -> Any:
    """A copy in which no two keys share a value; comments stay where they were written."""
    if not isinstance(value, CommentedMap | CommentedSeq):
        return value
    copy: Any = type(value)()
    if isinstance(value, CommentedMap):
        for name in _in_order(value):
            copy[name] = _complete(value[name], seen)
    else:
        copy.extend(_complete(item, seen) for item in value)
    if value.fa.flow_style():
        copy.fa.set_flow_style()
    if id(value) not in seen:
        seen.add(id(value))
        copy.ca.comment, copy.ca.end = value.ca.comment, value.ca.end
        copy.ca.items.update(value.ca.items)
    return copy


def _in_order(values: CommentedMap) -> list[Any]:
    """The keys: those that are merged in first, in their order."""
    merged = [name for other in values.merge for name in other]
    return list(dict.fromkeys([*merged, *values]))
