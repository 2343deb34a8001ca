"""One thread: the networks of the tests are so small that a second one only waits. Triton's kernels run in its
interpreter where there is no GPU."""

import os
from collections.abc import Iterator

import pytest
import torch
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

RAY = [
    f"tests/{name}.py"
    for name in (
        "stages/test_sweep_on_ray",
        "train/test_cluster",
        "cluster/test_session",
        "preprocess/test_preprocess_on_ray",
    )
]
"""Files that start Ray."""

if not torch.cuda.is_available():  # before anything imports Triton, which decides then
    os.environ["TRITON_INTERPRET"] = "1"


class ByFile(LoadFileScheduling):
    """A file's tests run in one process, so that its fixtures are made once; those that start Ray all in the same one.

    pytest 9.2 has no place for the groups of `--dist loadgroup`.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "ray" if file in RAY else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    config.option.loadscopereorder = False  # the files as they are collected: those with Ray take longest
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.nodeid.split("::")[0] not in RAY)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def _ray_of_the_session() -> Iterator[str]:
    from tests.cluster.shared_ray import running_ray  # Ray takes seconds to import

    with running_ray() as address:
        yield address


@pytest.fixture
def shared_ray(_ray_of_the_session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`address: local` is a Ray that runs already: for tests that are not about starting one."""
    monkeypatch.setenv("SRESNET_RAY", _ray_of_the_session)
