"""One thread: the networks of the tests are so small that a second one only waits. Triton's kernels run in its
interpreter where there is no GPU."""

import os
from collections.abc import Iterator

import pytest
import torch

RAY = pytest.mark.xdist_group("ray")

if not torch.cuda.is_available():  # before anything imports Triton, which decides then
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests run in one process, so that its fixtures are made once, and those that start Ray in the same one:
    first, since they take longest."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") != RAY.mark)


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
