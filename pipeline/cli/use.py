"""`sresnet use`: writes a profile to params.yaml; on an error it changes nothing."""

from itertools import count
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from pipeline.cli.profiles import read_profile, written
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import PARAMS, PROFILES
from pipeline.ground.yaml_file import read_yaml

_DATA = "DATA/"
"""Placeholder in a profile's `source` for the folder of --data."""
_MOST_SEEDS = 1000
"""Most seeds of an experiment. Each is a training, a line of params.yaml, and DVC stages."""


def use_profile(
    profile: str, data: Path | None, seeds: int | None, into: Path = PARAMS, *, force: bool = False
) -> None:
    """Writes a profile to `into`, with all values of each experiment. Changes nothing if it raises InputError.

    A file that the user changed is replaced only with `force`, and is kept beside the new one.
    """
    content = read_profile(PROFILES / f"{profile}.yaml")
    sources = {f"datasets.{name}.download.source": one["download"] for name, one in content["datasets"].items()}
    yours = {key: download for key, download in sources.items() if str(download["source"]).startswith(_DATA)}
    for key, download in yours.items():
        _place_source(key, download, data)
    if data is not None and not yours:
        raise InputError(f"--data {data}: profile {profile} reads no folder of yours; leave the option out")
    if seeds is not None:
        if not 1 <= seeds <= _MOST_SEEDS:
            raise InputError(f"--seeds must lie in 1 to {_MOST_SEEDS:,}, not {seeds}")
        _set_seeds(content, seeds)
    if into.exists() and not _as_written(into):
        if not force:
            raise InputError(
                f"{into}: has changes of your own; `sresnet use {profile} --force` replaces it and keeps it as "
                f"{_unused(into).name}"
            )
        write_whole(kept := _unused(into), into.read_bytes())
        print(f"{kept}: what {into.name} was before")
    write_whole(into, written(content))
    print(f"{into}: profile {profile}, {len(content['runs'])} training(s); `make repro` runs it")
    if gpus := content["cluster"]["gpus_per_worker"]:
        print(f"note: it needs {gpus} GPU(s) for each worker; `sresnet check` says whether this machine has them")


def _as_written(path: Path) -> bool:
    """Whether a params.yaml has exactly the bytes that this command writes, for any --data and --seeds."""
    try:
        found = read_yaml(path)
        content = read_profile(PROFILES / f"{found['profile']}.yaml")
        for name, dataset in content["datasets"].items():
            if dataset["download"]["source"] and str(dataset["download"]["source"]).startswith(_DATA):
                dataset["download"]["source"] = found["datasets"][name]["download"]["source"]
        own = written(content)
        _set_seeds(content, len(found["runs"]) // len(content["experiments"]))
    except (InputError, KeyError, TypeError):
        return False
    return path.read_bytes() in (own, written(content))


def _unused(path: Path) -> Path:
    """A path beside `path` that does not exist yet."""
    before = path.with_name(f"{path.name}.before")
    others = (path.with_name(f"{before.name}-{number}") for number in count(2))
    return before if not before.exists() else next(other for other in others if not other.exists())


def _place_source(key: str, download: Any, data: Path | None) -> None:
    inside = download["source"].removeprefix(_DATA)
    if data is None:
        raise InputError(f"{key}: the profile's data lie in a folder of yours; name it with --data DIR")
    folder = data.resolve() / inside
    if not folder.exists():
        raise InputError(f"{folder}: not found; --data DIR must hold {inside}")
    download["source"] = str(folder)


def _set_seeds(content: Any, seeds: int) -> None:
    """Replaces the profile's runs by one run per experiment and seed."""
    runs = content["runs"]
    runs.clear()
    for experiment, described in content["experiments"].items():
        for seed in range(seeds):
            run = CommentedMap(experiment=experiment, dataset=described["dataset"], seed=seed)
            run.fa.set_flow_style()
            runs[f"{experiment}-{seed}"] = run
