"""Expands profiles: in params.yaml each experiment has all of its values under its own keys."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.ground.yaml_file import read_yaml


def read_profile(path: Path) -> CommentedMap:
    """Reads a profile with its comments and expands its anchors and merge keys. Raises InputError."""
    read_yaml(path)  # raises InputError with the file's name if it is malformed
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
    """A copy in which no two keys share a value; comments stay at their first place."""
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
    """The keys in order, merged keys first."""
    merged = [name for other in values.merge for name in other]
    return list(dict.fromkeys([*merged, *values]))
