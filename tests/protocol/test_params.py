"""Every wrong parameter gives one error that names the file and the key."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.cli import check, preprocessed
from pipeline.download.catalog import CATALOG
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams, DatasetParams, DownloadParams, load_cluster, load_dataset, read_params
from pipeline.ground.paths import PARAMS, PROFILES
from pipeline.ground.schema import validate
from pipeline.protocol import params
from pipeline.protocol.params import load_params, load_run


@pytest.mark.parametrize("profile", sorted(path.name for path in PROFILES.glob("*.yaml")))
def test_every_profile_is_valid_and_says_its_name(profile: str) -> None:
    read = load_params(PROFILES / profile)
    assert f"{read.profile}.yaml" == profile
    assert {run.experiment for run in read.runs.values()} == read.experiments.keys()


def test_the_default_profile_is_quick() -> None:
    assert PARAMS.read_text(encoding="utf-8") == (PROFILES / "quick.yaml").read_text(encoding="utf-8")


def changed(folder: Path, old: str, new: str) -> Path:
    text = (PROFILES / "quick.yaml").read_text(encoding="utf-8")
    assert old in text
    path = folder / "params.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


WRONG = {
    "an unknown key": ("      blocks: 1", "      blocks: 1\n      block: 1", r"experiments\.digits\.model.*block"),
    "a missing key": ("      leak: 0.8744\n", "", r"experiments\.digits\.model\.leak"),
    "text for a number": ("epochs: 6", "epochs: six", r"experiments\.digits\.training\.epochs.*integer"),
    "a number as text": ("momentum: 0.9", 'momentum: "0.9"', r"training\.momentum.*number"),
    "true for a number": ("batch_size: 20", "batch_size: true", r"training\.batch_size.*integer"),
    "a choice that is none": ("normalization: bntt", "normalization: layer", r"model\.normalization.*'bntt'"),
    "a value out of range": (
        "leak: 0.8744",
        "leak: 1.5",
        r"experiments\.digits\.model\.leak: must lie in 0 to 1,",
    ),
    "an unknown dataset": ("    dataset: digits\n", "    dataset: letters\n", r"letters"),
    "a run of no experiment": ("{experiment: digits, ", "{experiment: letters, ", r"no experiment 'letters'"),
    "a run under another name": ("  digits-0: {", "  digits-7: {", r"must be named digits-0"),
    "frames that are not T": ("frames: 8", "frames: 5", r"time_steps is 8.*frames is 5"),
    "a tab": ("profile: quick", "profile:\tquick\n\tx", r"not valid YAML"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError, match=message) as error:
        load_params(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("address", ["s3://ME:hush@bucket/runs", "s3://ME:hu/hush@bucket", "https://me:hush@host/data"])
def test_keys_in_an_address_are_refused_and_not_shown(address: str) -> None:
    for kind, key, value in (
        (DownloadParams, "source", {"catalog": "shards", "source": address}),
        (ClusterParams, "storage", load_cluster().model_dump() | {"storage": address}),
    ):
        with pytest.raises(InputError) as error:
            validate(kind, value, Path("params.yaml"))
        assert str(error.value) == (
            f"params.yaml: {key}: it contains a user's name or a key, which every report would show; remove them, and "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (of a website: ~/.netrc) instead"
        )


@pytest.mark.parametrize(
    "address", ["s3://bucket/a@b?endpoint_override=host:1", "gs://anonymous@bucket/a", "https://host:80/a@b", "/a:b/@c"]
)
def test_an_address_without_keys_may_have_an_at_sign(address: str) -> None:
    assert DownloadParams(catalog="shards", source=address).source == address


def test_no_file_and_no_mapping_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sresnet use quick"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("[]\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected keys and values"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_dataset_or_run_is_answered_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"datasets\.letters is missing; it has digits, digits-dvs"):
        load_dataset("letters", PROFILES / "quick.yaml")
    with pytest.raises(InputError, match=r"runs\.letters-0 is missing; it has digits-0, digits-dvs-0"):
        load_run("letters-0", PROFILES / "quick.yaml")


def test_what_cannot_go_together_is_named(tmp_path: Path) -> None:
    events = "  digits-dvs:\n    dataset: digits-dvs\n    model:\n"
    text = (PROFILES / "quick.yaml").read_text(encoding="utf-8")
    images, recordings = text.split(events)
    for old, new, message in (
        (
            "augmentation: none",
            "augmentation: crop-flip",
            r"\.training\.augmentation: crop-flip is not for event frames",
        ),
        ("pixel_mean: []\n      pixel_std: []", "pixel_mean: [0]\n      pixel_std: [1]", r"\.training: pixel_mean and"),
        ("encoding: direct", "encoding: poisson", r"\.model\.encoding must be direct"),
    ):
        path = tmp_path / "params.yaml"
        path.write_text(images + events + recordings.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(InputError, match=r"experiments\.digits-dvs" + message):
            load_params(path)
    with pytest.raises(InputError, match=r"digits\.training\.augmentation: nda is not for images"):
        load_params(changed(tmp_path, "augmentation: none", "augmentation: nda"))
    with pytest.raises(InputError, match=r"digits\.training\.decay_after: must be strictly ascending"):
        load_params(changed(tmp_path, "decay_after: [70, 80, 90]", "decay_after: [80, 80]"))
    with pytest.raises(InputError, match=r"digits\.training\.batch_size: 20 is smaller than micro_batches, 21"):
        load_params(changed(tmp_path, "micro_batches: 2\n      threads", "micro_batches: 21\n      threads"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{catalog: digits, source: null}", "{catalog: numbers, source: null}", r"catalog: unknown entry 'numbers'"),
        ("{split: every-fifth-tests, shards: 2", "{split: paper, shards: 2", r"split 'paper': expected one of every"),
        ("size: null", "size: 32", r"frames and size must be null for images"),
        (
            "source: null}",
            "source: 's3://bucket/digits'}",
            r"download\.source: must be a folder or begin with https://",
        ),
        ("address: local", "address: head:65536", r"cluster\.address: must be local, auto or host:port, a port from 1"),
        (
            "address: local",
            "address: head:6379",
            r"cluster\.storage: is relative, 'runs', which works only with address local",
        ),
        ("storage: runs", "storage: ~/runs", r"cluster\.storage: must not begin with ~"),
        ("storage: runs", "storage: ftp://host/runs", r"cluster\.storage ftp://host/runs: expected an absolute path"),
    ],
)
def test_check_knows_the_datasets(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(InputError, match=message):
        check.check_params(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 6", "epoch: 6", r"training\.epoch: is an unknown key; did you mean epochs\?"),
        ("epochs: 6", "epochs: 6\n      epoch: 6", r"training\.epoch: is an unknown key; did you mean epochs\?"),
        ("blocks: 1 #", "zzz: 1\n      blocks: 1 #", r"model\.zzz: is an unknown key$"),
        ("workers: auto", "worker: auto", r"cluster\.worker: is an unknown key; did you mean workers\?"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_params(changed(tmp_path, old, new))


def of_own_images(folder: Path, source: str) -> Path:
    """params.yaml whose images are the user's own."""
    path = changed(folder, "{catalog: digits, source: null}", f"{{catalog: images, source: {source}}}")
    text = path.read_text().replace("  digits: #", "  mine-1: #")
    text = text.replace("[0.305]", "[0.3, 0.3, 0.3]").replace("[0.376]", "[0.4, 0.4, 0.4]")
    path.write_text(
        text.replace("dataset: digits\n", "dataset: mine-1\n").replace("dataset: digits,", "dataset: mine-1,")
    )
    return path


def test_check_looks_into_the_folder_of_data_that_were_not_fetched_yet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"datasets\.mine-1\.download\.source: absent is not a folder on this"):
        check.check_params(of_own_images(tmp_path, "absent"))
    path = of_own_images(tmp_path, str(tmp_path / "mine"))
    for name, said in {"notes.txt": "mine: no .png or", "a/1.png": "", "b/1.txt": "mine/b: no image in it"}.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).touch()
        with pytest.raises(InputError, match=said) if said else nullcontext():
            check.check_params(path)


def test_check_reads_the_smallest_recording_of_each_format(tmp_path: Path) -> None:
    (tmp_path / "cup").mkdir()
    for name, events in {"b.npy": 9, "a.npy": 3}.items():
        fields = [("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.int8)]
        np.save(tmp_path / "cup" / name, np.zeros(events, dtype=fields))
    entry = CATALOG["recordings"]
    content = read_params(PROFILES / "quick.yaml")["datasets"]["digits-dvs"]
    content["download"] = {"catalog": "recordings", "source": str(tmp_path), "title": "Mine"}
    with pytest.raises(InputError, match=r"a\.npy: byte 0: the file does not say how large its sensor is; state its"):
        check.check_formats(entry, DatasetParams.model_validate(content))
    content["preprocess"]["sensor"] = (64, 64)
    check.check_formats(entry, DatasetParams.model_validate(content))


def test_check_knows_the_channels_of_images_before_they_are_there(tmp_path: Path) -> None:
    path = of_own_images(tmp_path, str(tmp_path / "mine"))
    path.write_text(path.read_text().replace("[0.3, 0.3, 0.3]", "[0.3]").replace("[0.4, 0.4, 0.4]", "[0.4]"))
    with pytest.raises(InputError, match=r"experiments\.digits\.training\.pixel_mean: 1 value.* mine-1 has 3 channel"):
        check.check_experiments(load_params(path), path)


def test_check_needs_the_folder_no_longer_if_it_is_the_one_that_was_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = of_own_images(tmp_path, "absent")
    monkeypatch.setattr(preprocessed, "raw", lambda name: tmp_path)
    monkeypatch.setattr(preprocessed, "LOCK", tmp_path / "dvc.lock")
    for source, said in {"absent": "", "other": "absent is not a folder"}.items():
        made = f"{{params.yaml: {{datasets.mine-1.download: {{catalog: images, source: {source}}}}}}}"
        (tmp_path / "dvc.lock").write_text(f"stages: {{download@mine-1: {{params: {made}}}}}\n")
        preprocessed._locked.cache_clear()
        with pytest.raises(InputError, match=said) if said else nullcontext():
            check.check_params(path)


def test_check_counts_the_cpus_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = load_params(PROFILES / "quick.yaml").cluster
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    check.check_cluster(cluster, 4)
    with pytest.raises(InputError, match=r"takes 5 CPU\(s\) \(training\.threads.* this machine has 4; lower it"):
        check.check_cluster(cluster, 5)
    with pytest.raises(InputError, match=r"cluster\.workers 99 needs 99 CPUs, but this machine has 4; ask for fewer"):
        check.check_cluster(cluster.model_copy(update={"workers": 99}), 1)


def test_check_looks_for_a_gpu_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = load_params(PROFILES / "quick.yaml").cluster.model_copy(update={"gpus_per_worker": 1})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputError, match=r"cluster\.gpus_per_worker 1: torch finds no GPU on this machine; set it to 0"
    ):
        check.check_cluster(cluster, 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check.check_cluster(cluster, 1)
    with pytest.raises(InputError, match=r"takes 2 GPU\(s\) \(cluster\.gpus_per_worker\), and this machine has 1"):
        check.check_cluster(cluster.model_copy(update={"gpus_per_worker": 2}), 1)


HOSTILE = (
    *(float("nan"), float("inf"), -float("inf"), -1, 0, 10**30, 2**64, -0.5, 10**400),
    *("", "a\nb", "\x00", " a", None, [], {}, True, [[[[[[]]]]]]),
)
ALLOWED: dict[str, tuple[object, ...]] = {
    "source": (None,),  # of what is published
    "title": (None,),
    "altered": (True,),
    "window": (None,),
    "frames": (None,),  # of images
    "size": (None,),
    "threshold_mismatch": (0,),
    "refractory_us": (0,),
    "noise_hz": (0,),
    "seed": (0,),
    "leak": (0,),
    "warmup_epochs": (0,),
    "momentum": (0,),
    "nesterov": (True,),
    "weight_decay": (0,),
    "decay_after": ([],),
    "drop_last": (True,),
    "tet_lambda": (0,),
    "label_smoothing": (0,),
    "distillation": (0,),
    "average_decay": (0,),
    "validation_percent": (0,),
    "test_each_epoch": (True,),
    "pixel_mean": ([],),  # of event frames
    "pixel_std": ([],),
    "gpus_per_worker": (0,),
}
"""By the last part of a key: the hostile values that a person can mean there."""


def keys_of(content: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in content.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from keys_of(value, (*above, name))


def with_value(content: dict[str, Any], key: tuple[str, ...], value: object) -> dict[str, Any]:
    first, *rest = key
    return content | {first: with_value(content[first], tuple(rest), value) if rest else value}


@pytest.mark.parametrize("profile", ["quick", "paper", "real-small", "low-latency"])
def test_a_hostile_value_is_one_error_that_names_its_key(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, path = read_params(PROFILES / f"{profile}.yaml"), Path("params.yaml")
    monkeypatch.setattr(check, "check_cluster", lambda *arguments: None)  # it writes into storage
    monkeypatch.setattr(check, "check_source", lambda *arguments: None)  # it looks for the folder
    monkeypatch.setattr(check, "check_formats", lambda *arguments: None)
    monkeypatch.setattr(check, "check_experiments", lambda *arguments: None)  # it reads data
    allowed, refused = 0, 0
    for key, value in product(keys_of(content), HOSTILE):
        changed = with_value(content, key, value)
        monkeypatch.setattr(params, "read_params", lambda _, changed=changed: changed)
        may = any(value == one and type(value) is type(one) for one in ALLOWED.get(key[-1], ()))
        try:
            check.check_params(path)
        except InputError as error:
            text = str(error)
            assert text.startswith("params.yaml: "), text
            assert ".".join(key) in text or (".".join(key[:-1]) in text and key[-1] in text), (key, value, text)
            assert len(text) < 300 or "problems\n" in text, text
            refused += 1
        else:
            assert may, (key, value)
            allowed += 1
    assert refused > 900
    assert allowed > 10


def test_each_number_can_be_both_of_its_bounds(tmp_path: Path) -> None:
    for old, bounds in {"learning_rate: 0.3": ("1.0e-9", "1000"), "leak: 0.8744": ("0", "1")}.items():
        for bound in bounds:
            load_params(changed(tmp_path, old, f"{old.split(':')[0]}: {bound}"))


def test_values_that_keys_share_are_refused_in_params_yaml_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes((PROFILES / "paper.yaml").read_bytes())
    assert load_params(PROFILES / "paper.yaml").profile == "paper"
    for read in (load_params, load_cluster, lambda path: load_dataset("cifar10", path)):
        with pytest.raises(InputError, match=r"experiments\.cifar10\.model: the anchor &sresnet38 shares a value"):
            read(path)


def test_merged_values_are_refused_without_an_anchor_too(tmp_path: Path) -> None:
    path = changed(tmp_path, "      momentum: 0.9\n", "      <<: {momentum: 0.9}\n")
    with pytest.raises(InputError, match=r"experiments\.digits\.training: << merges values"):
        load_params(path)
