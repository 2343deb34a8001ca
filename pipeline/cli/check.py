"""`sresnet check`: checks params.yaml and the cluster before anything starts."""

import os
import sys
from pathlib import Path

from pipeline.cli.preprocessed import is_downloaded, training_split
from pipeline.cluster.runs import runs_folder
from pipeline.cluster.storage import check_writable, open_storage
from pipeline.cluster.workers import check_room
from pipeline.download.catalog import CATALOG, Entry
from pipeline.download.fetch import check_download, check_source
from pipeline.download.listing import visible_files
from pipeline.ground.cpus import cpus_here
from pipeline.ground.errors import InputError
from pipeline.ground.names import shown
from pipeline.ground.params import ClusterParams, DatasetParams, read_params
from pipeline.ground.paths import PARAMS, ROOT, arrow, check_places, raw
from pipeline.preprocess.preprocess import check_preprocess
from pipeline.preprocess.recordings import read_recording
from pipeline.protocol.params import Params, load_params
from pipeline.train.trainable import check_channels, check_trainable

_HUGE = 256 << 20
"""Size of a recording (bytes) from which on reading it takes many seconds."""


def check_params(path: Path = PARAMS) -> None:
    """Checks params.yaml and the cluster, and prints a summary. Raises InputError that names what is wrong."""
    params = load_params(path)
    check_places()
    try:
        for name, dataset in params.datasets.items():
            check_source_is_kept(name, dataset.download.source)
            entry = check_download(name, dataset.download)
            check_preprocess(name, entry, dataset.preprocess)
            if not is_downloaded(name, dataset.download):  # otherwise only the copy is read
                check_source(name, entry, dataset.download)
                check_formats(entry, dataset)
        check_experiments(params, path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    check_cluster(params.cluster, max(one.training.threads for one in params.experiments.values()))
    print(f"{path}: profile {params.profile}, {len(params.runs)} training(s), no problem found")


def check_source_is_kept(name: str, source: str | None) -> None:
    """Raises InputError if a source is in a folder that DVC empties before the stage that fills it, or contains one."""
    if source is None:
        return
    folder = Path(os.path.realpath(ROOT / source))  # Path.resolve raises for a loop of links, which has its own error
    for made in (raw(name).resolve(), arrow(name).resolve()):
        if folder.is_relative_to(made) or (made.is_relative_to(folder) and not ROOT.is_relative_to(folder)):
            raise InputError(
                f"datasets.{name}.download.source: {shown(source)}: the pipeline empties {made} and writes there; "
                "move your files to a folder of their own, such as data/mine, and name that"
            )


def check_formats(entry: Entry, dataset: DatasetParams) -> None:
    """Reads the smallest recording of each format in the user's folder, if it is not huge. Raises RecordingError."""
    if entry.origin != "user" or entry.decoder != "recordings":
        return
    smallest: dict[str, Path] = {}
    for path in sorted(visible_files(ROOT / str(dataset.download.source)), key=lambda path: path.stat().st_size):
        if path.suffix.lower() in entry.suffixes:
            smallest.setdefault(path.suffix.lower(), path)
    for path in (path for path in smallest.values() if path.stat().st_size <= _HUGE):
        read_recording(path, dataset.preprocess.sensor, dataset.preprocess.stream)


def check_experiments(params: Params, path: Path) -> None:
    """Checks experiments against their shards; before there are any, against the number of channels.

    Raises InputError that names the wrong key.
    """
    described = read_params(path)["datasets"]
    known = {name: training_split(name, described[name]) for name in params.datasets}
    for name, experiment in params.experiments.items():
        where, download = f"experiments.{name}", params.datasets[experiment.dataset].download
        if split := known[experiment.dataset]:
            check_trainable(where, experiment.model, experiment.training, split)
        else:
            entry = CATALOG[download.catalog]
            check_channels(where, experiment.training, download.title or experiment.dataset, entry.channels)


def check_cluster(cluster: ClusterParams, threads: int) -> None:
    """Checks that workers with `threads` threads can start, and that storage can be written. Raises InputError."""
    far = cluster.address != "local"
    check_writable(open_storage(cluster.storage if far or "://" in cluster.storage else str(runs_folder(cluster))))
    cpus, gpus = cluster.cpus(threads), cluster.gpus_per_worker
    if not far:
        check_room(cluster, {"CPU": cpus, "GPU": gpus}, {"CPU": cpus_here(), "GPU": _gpus_here(gpus)})
    if far:
        from pipeline.cluster.session import connect  # Ray takes seconds to import

        with connect(cluster, most=sys.maxsize, cpus_each=cpus, gpus_each=gpus) as workers:
            print(f"cluster {cluster.address}: every node is ready; room for {workers} worker(s)")


def _gpus_here(wanted: int) -> int:
    """Number of GPUs of this machine; 0 if none are wanted. Raises InputError if some are wanted and there is none."""
    if not wanted:
        return 0
    import torch  # takes seconds to import

    from pipeline.protocol.hardware import device_of

    device_of(wanted)
    return torch.cuda.device_count()
