"""Settings of all tests: one thread, since the networks are too small for a second one to help; Triton's interpreter
if there is no GPU."""

import importlib
import os
import signal
from collections.abc import Iterator

import pytest
import torch
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

RAY = ["tests/train/test_cluster.py", "tests/preprocess/test_preprocess_on_ray.py", "tests/cluster/test_session.py"]
"""Files that start Ray. Of the long tests one does, that of a sweep."""
COMMANDS = ["tests/stages/test_pipeline.py", "tests/stages/test_sweep_on_ray.py", "tests/cli/test_sweep.py"]
"""Files that start many whole commands: after those with Ray the longest."""

if not torch.cuda.is_available():  # before anything imports Triton, which decides then
    os.environ["TRITON_INTERPRET"] = "1"
# It sets a variable of numba's before it imports numba. Set later, numba reads its settings again when it compiles,
# with the cores of that moment, and refuses another number than its threads have.
importlib.import_module("models.kernels.compiled")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background, as what it starts


class ByFile(LoadFileScheduling):
    """A file's tests run in one process, so that its fixtures are made once; those that start Ray all in the same one.

    pytest 9.2 has no place for the groups of `--dist loadgroup`.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "ray" if file in RAY else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    config.option.loadscopereorder = False  # the files as they are sorted here
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {file: place for place, file in enumerate(RAY + COMMANDS)}
    items.sort(key=lambda item: place.get(item.nodeid.split("::")[0], len(place)))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Each test draws the same numbers, whichever tests ran before it in its process."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def _ray_of_the_session() -> Iterator[str]:
    from tests.cluster.shared_ray import running_ray  # Ray takes seconds to import

    with running_ray() as address:
        yield address


@pytest.fixture
def shared_ray(_ray_of_the_session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`address: local` is a Ray that runs already: for tests that are not about starting one."""
    monkeypatch.setenv("SRESNET_RAY", _ray_of_the_session)
