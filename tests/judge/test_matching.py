"""A record is evidence by its configuration, whatever its name. Differences are listed."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from pipeline.ground.paths import CLAIMS, PROFILES
from pipeline.judge.claims import AccuracyClaim, Rows, read_claims
from pipeline.judge.matching import (
    FREE_OF_ACCURACY,
    FREE_OF_WEIGHTS,
    differences,
    matching_records,
    nearest_record,
    objections,
    unpaired,
)
from pipeline.protocol.config import LATER
from pipeline.protocol.params import load_params
from tests.judge.claimed import CONFIGURATION, configured, run


def test_names_do_not_matter() -> None:
    named = run(experiment="other", dataset={"name": "yours", "note": "n", "classes": ["x"]})
    assert matching_records(CONFIGURATION, [named], FREE_OF_ACCURACY) == [named]


@pytest.mark.parametrize(
    ("parts", "difference"),
    [
        ({"network": {"width": 4}}, "network.width is 4, the claim is about 2"),
        ({"training": {"epochs": 1}}, "training.epochs is 1, the claim is about 2"),
        ({"training": {"decay_after": [70]}}, "training.decay_after is [70], the claim is about [50]"),
        ({"dataset": {"published": False}}, "dataset.published is False, the claim is about True"),
        ({"dataset": {"title": "Tiny 2"}}, "dataset.title is Tiny 2, the claim is about Tiny"),
        ({"dataset": {"test_samples": 966}}, "dataset.test_samples is 966, the claim is about 1000"),
        ({"network": {"dropout": 0.1}}, "network.dropout is 0.1, of which the claim says nothing"),
        ({"training": {"mixup": 0.2}}, "training.mixup is 0.2, of which the claim says nothing"),
        ({"dataset": {"camera": "c"}}, "dataset.camera is c, of which the claim says nothing"),
    ],
)
def test_one_difference_is_enough(parts: dict[str, Any], difference: str) -> None:
    assert differences(CONFIGURATION, run(**parts), FREE_OF_ACCURACY) == [difference]
    assert matching_records(CONFIGURATION, [run(**parts)], FREE_OF_ACCURACY) == []


def test_what_a_record_does_not_say_is_a_difference() -> None:
    record = run()
    del record.network["precision"]
    assert differences(CONFIGURATION, record, FREE_OF_ACCURACY) == [
        "network.precision is not recorded, the claim is about float32"
    ]


def test_threads_move_bits_but_not_an_accuracy() -> None:
    record = run(training={"threads": 2, "test_each_epoch": True})
    assert differences(CONFIGURATION, record, FREE_OF_ACCURACY) == []
    assert differences(CONFIGURATION, record, FREE_OF_WEIGHTS) == ["training.threads is 2, the claim is about 1"]


def test_rows_are_compared_where_the_claim_names_them() -> None:
    wanted = configured(dataset={"rows": Rows(train="train", test="elsewhere")})
    assert differences(wanted, run(), FREE_OF_ACCURACY) == ["digests.test_rows is test, the claim is about elsewhere"]


def test_the_nearest_has_the_same_data_then_the_fewest_differences() -> None:
    far = run(experiment="far", network={"width": 4, "blocks": 2, "leak": 0.7})
    near = run(experiment="near", network={"width": 4, "blocks": 2})
    other = run(experiment="other", dataset={"title": "Other"})
    found = nearest_record(CONFIGURATION, [other, far, near], FREE_OF_ACCURACY)
    assert found is not None
    assert (found.record, len(found.differences), found.attempt) == (near, 2, True)
    resourced = nearest_record(CONFIGURATION, [other], FREE_OF_ACCURACY)
    assert resourced is not None
    assert resourced.attempt, "the claim's network and training on other data"
    unlike = nearest_record(CONFIGURATION, [run(dataset={"title": "Other"}, network={"width": 4})], FREE_OF_ACCURACY)
    assert unlike is not None
    assert not unlike.attempt
    assert nearest_record(CONFIGURATION, [], FREE_OF_ACCURACY) is None


@pytest.mark.parametrize(
    ("other", "objection"),
    [
        (run(890, 0, "copy"), "are the same seed"),
        (run(890, 1, digests={"predictions": "of any-0"}), "have the same predictions"),
        (run(890, 1, digests={"model": "model-0"}), "have the same model"),
        (run(900, 1, test={"about": "any-0"}), "have the same counts and spikes"),
        (run(890, 1, digests={"test_rows": "others"}), "have other test_rows"),
        (run(890, 1, digests={"train_rows": "others"}), "have other train_rows"),
        (run(890, 1, test={"samples": 966}), "any/1.json counts 966 of 1000 test samples"),
    ],
)
def test_seeds_have_to_be_different_on_the_same_samples(other: Any, objection: str) -> None:
    assert any(objection in text for text in objections([run(900), other]))


def test_different_seeds_have_no_objection() -> None:
    assert objections([run(900), run(900, 1), run(890, 2)]) == []


def test_pairs_share_a_test_set_and_no_weights() -> None:
    assert unpaired([run()], [run(experiment="other", digests={"model": "m"})]) == []
    assert unpaired([run()], [run(experiment="other")]) == ["any/0.json and other/0.json have the same model"]
    strangers = run(experiment="other", digests={"model": "m", "test_rows": "t"})
    assert unpaired([run()], [strangers]) == ["any/0.json and other/0.json have other test_rows"]


def test_each_part_of_profile_low_latency_is_a_difference_from_the_paper() -> None:
    (claim,) = (claim for claim in read_claims(CLAIMS).claims if claim.id == "cifar10-accuracy")
    assert isinstance(claim, AccuracyClaim)
    claimed = configured(training=asdict(claim.configuration.training))
    authors = claimed.parts["training"]
    recipe = asdict(load_params(PROFILES / "low-latency.yaml").experiments["low-latency-cifar10"].training)
    parts = {key: value for key, value in json.loads(json.dumps(recipe)).items() if value != authors[key]}
    assert parts.keys() > LATER.keys()
    for key, value in parts.items():
        record = run(training=authors | {key: value})
        assert [text.split()[0] for text in differences(claimed, record, FREE_OF_ACCURACY)] == [f"training.{key}"]
