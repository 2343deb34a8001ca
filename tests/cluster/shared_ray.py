"""A local Ray that tests share, as the stages of `sresnet sweep` do. The process ends when its input is closed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray._private.authentication.authentication_token_setup import enable_token_auth_by_default

from pipeline.cluster.ray_internals import use_own_token
from pipeline.cluster.session import connect
from pipeline.ground.lifetime import watched_run
from pipeline.ground.paths import ROOT
from tests.train.tiny import ONE

METRICS_INTERVAL = "RAY_metrics_report_interval_ms"


@contextmanager
def running_ray() -> Iterator[str]:
    """Gives the address. The Ray runs in a process of its own, which ends with this one, however that ends."""
    use_own_token()
    enable_token_auth_by_default()  # as a ray.init of this process would; the other process inherits both
    command, environment = [sys.executable, "-m", "tests.cluster.shared_ray"], os.environ | {METRICS_INTERVAL: "200"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def main() -> None:
    with watched_run(), connect(ONE, most=1):
        print(ray.get_runtime_context().gcs_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
