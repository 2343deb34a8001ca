"""Ray's internals that pipeline/cluster/ray_internals.py uses exist in their place and are unchanged."""

import inspect
import os
import platform
import re

import pytest
import ray
from ray._private import node, ray_constants, utils, worker
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined] # its stubs are incomplete
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from pipeline.cluster.session import connection_refusal
from pipeline.train.on_ray import Trainer
from tests.test_rooms import MODULES
from tests.train.tiny import ONE


def test_only_one_file_looks_into_ray() -> None:
    inside = re.compile(r"^\s*(from|import) ray\.(_\w+)|\bray\._\w+", re.MULTILINE)
    found = [name for name, path in MODULES.items() if inside.search(path.read_text(encoding="utf-8"))]
    assert found == ["pipeline.cluster.ray_internals"]


def test_sigterm_is_answered_by_the_function_that_is_replaced() -> None:
    assert "\ndef set_sigterm_handler(sigterm_handler):\n" in inspect.getsource(utils)
    for module in (node, worker):
        assert "ray._private.utils.set_sigterm_handler(sigterm_handler)" in inspect.getsource(module)


def test_the_loopback_is_chosen_by_the_constant_that_is_set() -> None:
    assert ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR == "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    assert isinstance(ray_constants.ENABLE_RAY_CLUSTER, bool)


def test_the_process_for_datasets_is_started_by_a_callback_that_a_trainer_names() -> None:
    names = [type(one).__name__ for one in DataParallelTrainer(print)._create_default_callbacks()]
    assert names.count("DatasetsCallback") == 1
    assert [type(one).__name__ for one in Trainer(print)._create_default_callbacks()] == [
        name for name in names if name != "DatasetsCallback"
    ]


def test_the_token_can_be_asked_for_and_forgotten() -> None:
    loader = AuthenticationTokenLoader.instance()
    assert isinstance(loader.has_token(ignore_auth_mode=True), bool)
    assert callable(loader.reset_cache)


def test_a_cluster_with_another_ray_is_one_error() -> None:
    """Ray compares the versions when a driver or a node connects; its words are those that session.py looks for."""
    with pytest.raises(RuntimeError) as refused:
        utils.check_version_info({"ray_version": "9.9", "python_version": platform.python_version()}, "this process")
    said = str(connection_refusal(ONE, refused.value))
    assert re.search(
        rf"Ray: 9\.9 .*Ray: {re.escape(ray.__version__)}.*; install requirements\.lock on both sides$", said
    )


def test_a_submitted_job_may_choose_its_workers_code() -> None:
    """Ray refuses a working_dir beside that of `ray job submit`, unless this variable is set: session.py sets it."""
    assert os.environ["RAY_OVERRIDE_JOB_RUNTIME_ENV"] == "1"
    assert 'override=os.getenv("RAY_OVERRIDE_JOB_RUNTIME_ENV") == "1"' in inspect.getsource(worker)
