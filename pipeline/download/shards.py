"""Shards that `sresnet convert` made, copied from a folder or object storage."""

from collections import Counter
from pathlib import Path

from pipeline.cluster.storage import Storage, is_uri, open_storage
from pipeline.data.contents import FILE as CONTENTS
from pipeline.data.store import SPLITS, Manifest, shard_name
from pipeline.download.disk import check_space
from pipeline.download.tally import Tally
from pipeline.ground.errors import InputError
from pipeline.ground.files import MOST_BYTES
from pipeline.ground.params import MOST_SHARDS
from pipeline.ground.paths import ROOT
from pipeline.ground.progress import progress
from pipeline.ground.schema import read_as

_REMEDY = "run `sresnet convert` again"


def copy_shards(dataset: str, source: str, into: Path) -> Tally:
    """Copies manifests and shards, of which the stage `preprocess` checks every row. Raises InputError."""
    storage = shards_storage(dataset, source)
    there, used, names = storage.list(""), Counter[str](), list[str]()
    for split in SPLITS:
        if int(there[f"{split}.json"].size or 0) > MOST_BYTES:
            raise InputError(f"{storage.uri(f'{split}.json')}: larger than {MOST_BYTES:,} bytes; {_REMEDY}")
        storage.get(f"{split}.json", into / f"{split}.json")
        used[split] = read_stated(into, split).shards
        names += [shard_name(split, index, used[split]) for index in range(used[split])]
    if missing := [name for name in names if name not in there]:
        raise InputError(f"{storage.uri(missing[0])}: not found; run `sresnet convert` again, which writes it")
    sizes = {name: int(there[name].size or 0) for name in names}
    check_space(into, sum(sizes.values()))
    with progress(f"copying {dataset}", total=sum(sizes.values()), unit="B") as bar:
        for name, size in sizes.items():
            storage.get(name, into / name)
            bar.update(size)
    summaries = {f"{name.removesuffix('.arrow')}.json" for name in names}
    others = there.keys() - {*names, *summaries, *(f"{split}.json" for split in SPLITS), CONTENTS}
    return Tally(used, Counter({"others": len(others)}), set())


def shards_storage(dataset: str, source: str) -> Storage:
    """The storage that `source` names, a path relative to the repository. Raises InputError unless it has manifests."""
    setting = f"datasets.{dataset}.download.source"
    storage = open_storage(source if is_uri(source) else str(ROOT / source), setting)
    if missing := {f"{split}.json" for split in SPLITS} - storage.list("").keys():
        raise InputError(
            f"{setting} {storage.address}: no {' and '.join(sorted(missing))} there; name the folder that "
            "`sresnet convert` printed when it was complete"
        )
    return storage


def read_stated(folder: Path, split: str) -> Manifest:
    """The manifest that came with shards. Raises InputError."""
    path = folder / f"{split}.json"
    manifest = read_as(Manifest, path, "a manifest of shards", _REMEDY)
    if not 1 <= manifest.shards <= MOST_SHARDS:
        raise InputError(f"{path}: {manifest.shards} shards, expected 1 to {MOST_SHARDS:,}; {_REMEDY}")
    return manifest
