"""`sresnet convert`: recordings in object storage become Arrow shards in object storage."""

import json
from pathlib import Path

from pipeline.cluster.storage import Storage, is_uri, open_storage
from pipeline.ground.lifetime import watched_run
from pipeline.ground.params import load_cluster, load_dataset
from pipeline.preprocess.convert import convert
from pipeline.preprocess.preprocess import in_lines


def convert_stored(dataset: str, source: str, target: str) -> None:
    """Converts a dataset of params.yaml, and prints what was made and where. Raises InputError."""
    params, cluster = load_dataset(dataset), load_cluster()
    with watched_run():
        into, manifests = convert(dataset, _place(source, "--from"), _place(target, "--into"), params, cluster)
    for manifest in manifests:
        print("\n".join(in_lines(manifest)))
    print(f"{dataset}: complete in {into.address}")
    title, place = params.download.title, f"catalog: shards, source: {_quoted(into.address)}"
    stated = place if title is None else f"{place}, title: {_quoted(title)}"
    print(f"to train on it, set datasets.{dataset}.download to {{{stated}}}")


def _quoted(text: str) -> str:
    """The text as YAML, of which JSON is a part."""
    return json.dumps(text, ensure_ascii=False)


def _place(address: str, option: str) -> Storage:
    """The storage that an option names; a path is relative to the current folder. Raises InputError."""
    return open_storage(address if is_uri(address) else str(Path(address).resolve()), option)
