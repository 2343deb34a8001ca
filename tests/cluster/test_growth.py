"""What a sweep asks an autoscaler for, and what it does when the cluster is gone."""

import pytest
import ray

from pipeline.cluster import growth
from pipeline.cluster.growth import Growth, asked_to_grow
from pipeline.ground.errors import InputError
from tests.train.tiny import ONE

FAR = ONE.model_copy(update={"address": "10.0.0.1:6379", "storage": "/mnt/runs"})


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, int]]]:
    """The bundles of each request; two workers fit."""
    made: list[list[dict[str, int]]] = []

    def request(bundles: list[dict[str, int]]) -> None:
        made.append(bundles)

    monkeypatch.setattr(growth, "request_resources", request)
    monkeypatch.setattr(growth, "all_workers", lambda cpus, gpus: 2)
    return made


def test_room_is_asked_for_when_the_number_changes_and_given_back_at_the_end(
    requests: list[list[dict[str, int]]],
) -> None:
    with asked_to_grow(FAR, 4, 1) as room:
        assert [room(3), room(3), room(2)] == [2, 2, 2]
    assert requests == [[{"CPU": 4, "GPU": 1}] * 3, [{"CPU": 4, "GPU": 1}] * 2, []]


def test_a_limit_is_found_without_being_known() -> None:
    """Of 5 workers: a request beyond it starts nothing. Each line: room, seconds, what is asked for."""
    growing, asked = Growth(), list[tuple[int, int, int]]()
    for fits, now in [(1, 0), (2, 10), (2, 60), (4, 110), (4, 120), (4, 180), (4, 240), (4, 300), (4, 360), (5, 420)]:
        growing.asked = growing.next(fits, 100, float(now))
        asked.append((fits, now, growing.asked))
    assert asked == [
        (1, 0, 2),
        (2, 10, 2),
        (2, 60, 4),
        (4, 110, 4),
        (4, 120, 8),
        (4, 180, 4),
        (4, 240, 6),
        (4, 300, 4),
        (4, 360, 5),
        (5, 420, 7),
    ]
    assert growing.next(5, 3, 421.0) == 3


def test_room_is_given_back_after_an_error(requests: list[list[dict[str, int]]]) -> None:
    def interrupted() -> None:
        with asked_to_grow(FAR, 1, 0) as room:
            room(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert requests == [[{"CPU": 1}], []]


def test_a_local_ray_is_asked_for_nothing(requests: list[list[dict[str, int]]]) -> None:
    with asked_to_grow(ONE, 1, 0) as room:
        assert room(3) == 2
    assert requests == []


def test_a_cluster_that_is_gone_is_one_error(
    requests: list[list[dict[str, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when giving back fails."""

    def gone(*about: object, **named: object) -> int:
        raise ray.exceptions.RpcError("connection refused")

    def lost() -> None:
        with asked_to_grow(FAR, 1, 0) as room:
            room(1)
            monkeypatch.setattr(growth, "all_workers", gone)
            monkeypatch.setattr(growth, "request_resources", gone)
            room(1)

    with pytest.raises(InputError, match=r"the cluster 10\.0\.0\.1:6379 no longer answers \(.*refused.*run this again"):
        lost()
