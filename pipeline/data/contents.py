"""data/arrow/<dataset>/contents.arrow: a digest of each sample's content, which finds duplicates under any name.

Columns: `split`, `id`, `label`, `source` (digest of the file) and `content` (digest of the pixels; different files can
give equal frames).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.data.batch_sizes import referred
from pipeline.data.store import MEND, SPLITS, Content, contents_digest
from pipeline.ground.errors import InputError
from pipeline.ground.files import whole

FILE = "contents.arrow"
_SCHEMA = pa.schema(
    {
        "split": pa.string(),
        "id": pa.string(),
        "label": pa.int64(),
        "source": pa.binary(32),
        "content": pa.binary(32),
    }
)
_MAGIC = b"ARROW1"
"""Magic bytes at both ends of a file; messages begin two bytes after the first. The footer is not needed."""
_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Same:
    """Samples of a part whose content also occurs in another part, or a second time in the same part."""

    part: str
    other: str
    """Equal to `part` for duplicates within it."""
    samples: int
    of: int
    """Samples of `part`."""
    examples: list[tuple[str, str]]
    """Ids of up to three samples, each with the id of another sample with the same content."""

    def __str__(self) -> str:
        named = ", ".join(f"{one} = {other}" for one, other in self.examples)
        where = "are also in" if self.part != self.other else "are duplicates within"
        return f"{self.samples} of {self.of} {self.part} samples {where} {self.other}: {named}"


def write_contents(parts: Mapping[str, list[Content]], folder: Path) -> None:
    """Writes contents.arrow, with the samples of each split in shard order."""
    rows = [(split, content) for split, contents in parts.items() for content in contents]
    table = pa.table(
        {
            "split": [split for split, _ in rows],
            "id": [content.id for _, content in rows],
            "label": [content.label for _, content in rows],
            "source": [bytes.fromhex(content.source) for _, content in rows],
            "content": [bytes.fromhex(content.content) for _, content in rows],
        },
        schema=_SCHEMA,
    )
    with whole(folder / FILE) as temporary, pa.ipc.new_file(str(temporary), table.schema) as file:
        file.write_table(table)


def read_contents(folder: Path) -> dict[str, list[Content]]:
    """The contents of each split, as write_contents wrote them. Raises InputError."""
    path = folder / FILE
    try:
        columns = _table(path).to_pydict()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: missing or damaged ({error}); {MEND}") from None
    parts: dict[str, list[Content]] = {}
    for split, name, label, source, content in zip(*columns.values(), strict=True):
        parts.setdefault(split, []).append(Content(name, label, source.hex(), content.hex()))
    if parts.keys() != set(SPLITS):
        found = ", ".join(parts)[:80] or "nothing"
        raise InputError(f"{path}: holds {found}, expected {' and '.join(SPLITS)}; {MEND}")
    return parts


def _table(path: Path) -> pa.Table:
    """The table, checked before any value is read. Raises OSError, ValueError, ArrowException."""
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer()
    messages = content[len(_MAGIC) + 2 :]
    if content[: len(_MAGIC)].to_pybytes() != _MAGIC or content[-len(_MAGIC) :].to_pybytes() != _MAGIC:
        raise ValueError("truncated, or not an Arrow file")
    if any(_is_compressed(message) for message in pa.ipc.MessageReader.open_stream(messages)):
        raise ValueError("its buffers are compressed")
    with pa.ipc.open_stream(messages) as stream:
        if stream.schema != _SCHEMA:
            raise ValueError(
                f"its columns are {', '.join(stream.schema.names)[:80]}, expected {', '.join(_SCHEMA.names)}"
            )
        table = stream.read_all()
    table.validate(full=True)  # otherwise a wrong offset could read memory outside the file
    if any(column.null_count for column in table.columns):
        raise ValueError("a value is missing")
    return table


def _is_compressed(message: pa.ipc.Message) -> bool:
    """Whether a record batch is compressed: the fourth field of its table, which is the message's third field.

    Such files are refused: a compressed buffer of a kilobyte can claim terabytes, which Arrow would allocate.
    https://arrow.apache.org/docs/format/Columnar.html
    """
    data = message.metadata.to_pybytes()
    if message.type != "record batch":
        return False
    batch = referred(data, int.from_bytes(data[:4], "little"), 2)
    return bool(referred(data, batch, 3)) if batch else False


def duplicates(parts: Mapping[str, list[Content]]) -> list[Same]:
    """Duplicates within each part, and between each part and those before it; only where there are any."""
    found, names = [], list(parts)
    for place, part in enumerate(names):
        found += [_same(part, other, parts) for other in (*names[:place], part)]
    return [same for same in found if same.samples]


def between_parts(found: list[Same]) -> list[Same]:
    """Duplicates between two parts: test samples that were trained on."""
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
    """Digest of contents and labels of each part, independent of names and order."""
    return {part: contents_digest(contents) for part, contents in parts.items()}
