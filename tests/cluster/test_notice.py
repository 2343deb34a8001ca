"""The notice of a drained node: of a node of ours, and when Ray does not answer."""

import threading

import pytest

from pipeline.cluster import notice
from pipeline.cluster.notice import drain_notice

WAIT_SECONDS = 10


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "POLL_SECONDS", 0.01)


def test_a_node_of_ours_gives_notice_and_another_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    drained, asked = {"b": "10.0.0.2"}, threading.Semaphore(0)

    def status() -> dict[str, str]:
        asked.release()
        return drained

    monkeypatch.setattr(notice, "drained_nodes", status)
    with drain_notice(frozenset({"a", "c"}), pytest.fail) as told:
        assert all(asked.acquire(timeout=WAIT_SECONDS) for _ in range(3))
        assert not told()
        drained = {"b": "10.0.0.2", "c": "10.0.0.3"}
        for _ in range(100):
            if told():
                break
            assert asked.acquire(timeout=WAIT_SECONDS)
    assert told.addresses == ("10.0.0.3",)


def test_a_ray_that_does_not_answer_is_said_once_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, said = threading.Semaphore(0), list[str]()

    def silent() -> dict[str, str]:
        asked.release()
        raise TimeoutError("no answer")

    monkeypatch.setattr(notice, "drained_nodes", silent)
    with drain_notice(frozenset({"a"}), said.append) as told:
        assert all(asked.acquire(timeout=WAIT_SECONDS) for _ in range(3))
    assert not told()
    assert said == ["Ray does not say whether nodes are drained: no answer"]


def test_without_nodes_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "drained_nodes", lambda: pytest.fail("asked"))
    before = threading.active_count()
    with drain_notice(frozenset(), pytest.fail) as told:
        assert threading.active_count() == before
    assert not told()
