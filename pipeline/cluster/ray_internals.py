"""All uses of Ray's private API. tests/cluster/test_ray_internals.py fails if an upgrade changes it.

Ray 2.60 has no public way to listen on the loopback interface only, to keep our SIGTERM handler, or to set a cluster's
token without a file in the home directory.
"""

import os
import secrets

from ray._private import ray_constants, utils
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined] # its stubs are incomplete


def keep_sigterm() -> None:
    """Stops ray.init from installing its SIGTERM handler, which exits without a message and prints a C++ stack."""
    utils.set_sigterm_handler = lambda _: None


def listen_beyond_loopback(allowed: bool) -> None:
    """Sets whether Ray may listen beyond 127.0.0.1; by default it replaces 127.0.0.1 by the machine's address."""
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = str(int(allowed))
    ray_constants.ENABLE_RAY_CLUSTER = allowed


def use_own_token() -> None:
    """Sets a random token if there is none; Ray would write one into the home directory, which may not be writable."""
    loader = AuthenticationTokenLoader.instance()
    if not loader.has_token(ignore_auth_mode=True):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        loader.reset_cache()
