"""data/arrow/<dataset>/contents.arrow: what each sample holds, apart from its name, and which samples hold the same.

Columns: `split`, `id`, `label`, `source` (digest of the file) and `content` (digest of the pixels): two files can
differ where their frames are equal.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.data.store import Content, contents_digest
from pipeline.ground.errors import InputError
from pipeline.ground.files import whole

FILE = "contents.arrow"
_COLUMNS = ["split", "id", "label", "source", "content"]
_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Same:
    """Samples of a part that hold what another sample of the same part, or one of another part, holds too."""

    part: str
    other: str
    """The part itself for samples that stand in it twice."""
    samples: int
    of: int
    """Samples of `part`."""
    examples: list[tuple[str, str]]
    """Ids of up to three samples and of one with the same content."""

    def __str__(self) -> str:
        named = ", ".join(f"{one} = {other}" for one, other in self.examples)
        where = "are also in" if self.part != self.other else "stand twice in"
        return f"{self.samples} of {self.of} {self.part} samples {where} {self.other}: {named}"


def write_contents(parts: Mapping[str, list[Content]], folder: Path) -> None:
    """Writes contents.arrow; the samples of each split in the order of its shards."""
    rows = [(split, content) for split, contents in parts.items() for content in contents]
    table = pa.table(
        {
            "split": [split for split, _ in rows],
            "id": [content.id for _, content in rows],
            "label": [content.label for _, content in rows],
            "source": pa.array([bytes.fromhex(content.source) for _, content in rows], pa.binary(32)),
            "content": pa.array([bytes.fromhex(content.content) for _, content in rows], pa.binary(32)),
        }
    )
    with whole(folder / FILE) as temporary, pa.ipc.new_file(str(temporary), table.schema) as file:
        file.write_table(table)


def read_contents(folder: Path) -> dict[str, list[Content]]:
    """What write_contents wrote. Raises InputError."""
    path = folder / FILE
    try:
        columns = pa.ipc.open_file(str(path)).read_all().select(_COLUMNS).to_pydict()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: missing or damaged ({error}); preprocess the dataset again") from None
    parts: dict[str, list[Content]] = {}
    for split, name, label, source, content in zip(*columns.values(), strict=True):
        parts.setdefault(split, []).append(Content(name, label, source.hex(), content.hex()))
    return parts


def duplicates(parts: Mapping[str, list[Content]]) -> list[Same]:
    """Equal contents within each part, and between each and those before it; none that is zero."""
    found, names = [], list(parts)
    for place, part in enumerate(names):
        found += [_same(part, other, parts) for other in (*names[:place], part)]
    return [same for same in found if same.samples]


def between_parts(found: list[Same]) -> list[Same]:
    """Those that stand in two parts: what is tested was trained on."""
    return [same for same in found if same.part != same.other]


def _same(part: str, other: str, parts: Mapping[str, list[Content]]) -> Same:
    own = parts[part]
    if part == other:
        times = Counter(content.content for content in own)
        first = {content.content: content.id for content in reversed(own)}
        pairs = [(c.id, first[c.content]) for c in own if times[c.content] > 1 and c.id != first[c.content]]
    else:
        there = {content.content: content.id for content in parts[other]}
        pairs = [(content.id, there[content.content]) for content in own if content.content in there]
    return Same(part=part, other=other, samples=len(pairs), of=len(own), examples=pairs[:_EXAMPLES])


def digests(parts: Mapping[str, list[Content]]) -> dict[str, str]:
    """Digest of the contents and labels of each part, whatever the names and the order."""
    return {part: contents_digest(contents) for part, contents in parts.items()}
