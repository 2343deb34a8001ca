"""YAML files as plain values. Any problem with a file raises one error that names it."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from pipeline.ground.errors import InputError
from pipeline.ground.files import MOST_LEVELS, TOO_DEEP, read_text

TYPE = "tag:yaml.org,2002:"
TYPES = ("map", "seq", "str", "int", "float", "bool", "null")
"""Accepted types, which are those of JSON: no dates, bytes, sets or Python objects."""
MOST_YAML_BYTES = 512 << 10
"""Maximum file size. The largest profile, of 160 trainings, has a tenth of it; parsing the maximum takes up to 20 s."""
MOST_TIMES = 1_000
"""Maximum factor by which expanded aliases may multiply a file's values; ten lines can expand to billions."""
MOST_DIGITS = 400
"""Maximum digits of a number; a float has fewer than 310 before its point."""


def read_yaml(path: Path, remedy: str = "it is a file of this repository", *, shared: bool = True) -> dict[str, Any]:
    """The plain content of a YAML file with a mapping at its top. Raises InputError.

    The remedy is for a missing file. Without `shared`, anchors and aliases are refused.
    """
    return parse_yaml(read_text(path, remedy, MOST_YAML_BYTES), path, shared=shared)


def parse_yaml(text: str, path: Path, *, shared: bool = True) -> dict[str, Any]:
    """As `read_yaml`, from the text of a file."""
    yaml = YAML(typ="safe", pure=True)  # the C parser crashes at a nesting of 100,000 levels
    try:
        node = yaml.compose(text)
        if not isinstance(node, MappingNode):
            raise InputError(f"{path}: expected keys and values at the top")
        _Walk(path, shared).size(node, ())
        content: dict[str, Any] = yaml.constructor.construct_document(node)
    except YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {_described(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: {TOO_DEEP}") from None
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: not valid YAML: a value does not fit its tag ({error})") from None
    return content


def _described(error: YAMLError) -> str:
    """Position and problem in one line, without the parser's links to documentation."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark, problem = error.problem_mark, " ".join(str(error.problem).split())
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem[:200]}"
    if isinstance(error, ReaderError):
        return f"the character 0x{error.character:02x} at position {error.position} is not allowed"
    return " ".join(str(error).split())[:200]


class _Walk:
    """Checks the nodes of a file before values are constructed. Raises InputError that names line and key."""

    def __init__(self, path: Path, shared: bool) -> None:
        self.path, self.shared = path, shared
        self.sizes: dict[int, int | None] = {}
        """Size of each node, by id(); None while the walk is inside it."""

    def size(self, node: Node, key: tuple[str, ...]) -> int:
        """Number of values under a node, with aliases expanded."""
        known = self.sizes.get(id(node), 0)
        if known is None:
            raise self.refusal(node, key, f"*{node.anchor} contains itself")
        if known:
            return known
        if reason := self.reason(node, key):
            raise self.refusal(node, key, reason)
        self.sizes[id(node)] = None
        total = 1 + sum(self.size(child, (*key, name)) for name, child in self.children(node, key))
        if total > MOST_TIMES * len(self.sizes):
            raise self.refusal(node, key, f"its aliases expand to over {MOST_TIMES:,} times the values of the file")
        self.sizes[id(node)] = total
        return total

    def reason(self, node: Node, key: tuple[str, ...]) -> str | None:
        """Why a node is refused, without its children."""
        kind = str(node.tag).removeprefix(TYPE)
        if len(key) > MOST_LEVELS:
            return TOO_DEEP
        if node.anchor and not self.shared:
            return (
                f"the anchor &{node.anchor} shares a value between keys, so `dvc exp run -S` would change all or none "
                "of them; write the value under each key, as `sresnet use` does"
            )
        if kind not in TYPES:
            return f"a value of type {kind} is not allowed; quote it if it is text"
        if isinstance(node, ScalarNode) and kind in ("int", "float") and len(node.value) > MOST_DIGITS:
            return f"a number of {len(node.value)} digits is not allowed"
        if isinstance(node, ScalarNode) and any("\ud800" <= letter <= "\udfff" for letter in node.value):
            return "a lone surrogate is not allowed; write the character itself"
        return None

    def children(self, node: Node, key: tuple[str, ...]) -> list[tuple[str, Node]]:
        """The nodes right under a node, by their names."""
        if isinstance(node, SequenceNode):
            return [(str(place), child) for place, child in enumerate(node.value)]
        if not isinstance(node, MappingNode):
            return []
        for name, _ in node.value:
            if name.tag == f"{TYPE}merge" and not self.shared:
                raise self.refusal(name, key, "<< merges values that `dvc exp run -S` does not reach; write them out")
            if name.tag not in (f"{TYPE}str", f"{TYPE}merge"):
                raise self.refusal(name, key, "a key must be a string; quote it")
        return [(name.value, child) for name, child in node.value]

    def refusal(self, node: Node, key: tuple[str, ...], reason: str) -> InputError:
        return InputError(f"{self.path}: line {node.start_mark.line + 1}: {'.'.join(key) or 'the top'}: {reason}")
