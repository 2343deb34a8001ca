"""All that is used of Ray beyond its public API. tests/cluster/test_ray_internals.py fails where an upgrade changes it.

Ray 2.60 has no public way to say that nothing listens beyond the loopback, to keep one's own answer to SIGTERM, to ask
what is free on each node, or to give a cluster a token without a file in the home directory.
"""

import os
import secrets

from ray._private import ray_constants, utils
from ray._private.state import available_resources_per_node
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined] # its stubs are incomplete


def free_by_node() -> dict[str, dict[str, float]]:
    """Resources that nothing uses, by node id and name."""
    free: dict[str, dict[str, float]] = available_resources_per_node()
    return free


def keep_sigterm() -> None:
    """Ray's own answer to SIGTERM is an exit without a word, and a stack of C++."""
    utils.set_sigterm_handler = lambda _: None


def listen_beyond_loopback(allowed: bool) -> None:
    """Ray puts the machine's own address in the place of 127.0.0.1, and listens there, unless told of no clusters."""
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = str(int(allowed))
    ray_constants.ENABLE_RAY_CLUSTER = allowed


def use_own_token() -> None:
    """Without one Ray writes a token into the home directory, which it may not be able to write."""
    loader = AuthenticationTokenLoader.instance()
    if not loader.has_token(ignore_auth_mode=True):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        loader.reset_cache()
