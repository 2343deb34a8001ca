"""Converts recordings in storage into shards in storage, without a copy on this machine.

The result lies in a folder of its own, named by the listing of the recordings, the parameters and the code, so that
changed input never mixes with it. The bytes are those that the stage `preprocess` writes for the same recordings.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pipeline.cluster.storage import Storage, check_writable
from pipeline.data.contents import FILE as CONTENTS
from pipeline.data.store import SPLITS, Manifest
from pipeline.download.catalog import CATALOG
from pipeline.download.title import title_of_own
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams, DatasetParams
from pipeline.ground.paths import PARAMS
from pipeline.preprocess.preprocess import (
    Conversion,
    Made,
    check_preprocess,
    describe_shards,
    identity_of,
    labelled,
    make_recordings,
)
from pipeline.preprocess.stored import StoredMember, list_stored


def convert(
    dataset: str, source: Storage, target: Storage, params: DatasetParams, cluster: ClusterParams
) -> tuple[Storage, list[Manifest]]:
    """Writes the shards of the recordings in `source` into a folder of `target`; returns it and the manifests.

    Finished shards are kept, so that the same call resumes with the rest. Manifests come last. Raises InputError.
    """
    what = _conversion(dataset, params)
    _check_apart(source, target)
    members, tally = list_stored(source, what.entry)
    check_writable(target)
    print(f"{dataset}: {tally}", flush=True)
    listed = _listing(members)
    into = target.below(f"{dataset}-{_identity(what, listed)}")
    made = make_recordings(what, labelled(members, what.entry, what.params.split), cluster, into)
    if _listing(list_stored(source, what.entry)[0]) != listed:
        raise InputError(f"{source.setting} {source.address}: changed while it was read; run it again")
    _complete(made, into)
    return into, [manifest for manifest, _ in made]


def _conversion(dataset: str, params: DatasetParams) -> Conversion:
    """Raises InputError for a dataset that is not of the user's own recordings in class folders."""
    key = f"datasets.{dataset}.download"
    if params.download.catalog not in ("recordings", "shards"):
        raise InputError(
            f"{PARAMS}: {key}.catalog: is {params.download.catalog}; `sresnet convert` needs catalog: recordings, of "
            "which it does not read the source"
        )
    entry = CATALOG["recordings"]
    check_preprocess(dataset, entry, params.preprocess)
    title = title_of_own(dataset, entry, params.download.title, f"{key}.title")
    return Conversion(dataset=dataset, title=title, entry=entry, params=params.preprocess)


def _check_apart(source: Storage, target: Storage) -> None:
    """Raises InputError if one contains the other: shards would be listed as files of the dataset."""
    if not source.files.equals(target.files):
        return
    one, other = Path(source.path("")), Path(target.path(""))
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise InputError(
            f"{target.setting} {target.address}: contains, or is in, {source.setting} {source.address}; name two "
            "folders beside each other"
        )


def _listing(members: Iterable[StoredMember]) -> str:
    """Digest of the names, sizes and times of the recordings."""
    digest = hashlib.sha256()
    for member in members:
        digest.update(json.dumps([member.id, member.size, member.mtime_ns]).encode())
    return digest.hexdigest()


def _identity(what: Conversion, listed: str) -> str:
    return identity_of(what.params, json.dumps([what.title.title, listed]).encode())


def _complete(made: list[Made], into: Storage) -> None:
    """Stores contents and manifests, which complete the splits."""
    with tempfile.TemporaryDirectory() as folder:
        describe_shards(made, Path(folder))
        for name in (CONTENTS, *(f"{split}.json" for split in SPLITS)):
            into.put(Path(folder) / name, name)
