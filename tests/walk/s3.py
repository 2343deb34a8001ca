"""The pipeline with an S3 server on the loopback: python -m tests.walk.s3

DVC's remote and the checkpoints are in a bucket. All outputs are pushed, deleted and pulled: nothing runs again, and
the report verifies. Then only the local checkpoints are deleted, and restored from the bucket.
"""

import tempfile
from pathlib import Path

from tests.cluster.s3 import KEYS, bucket, serving
from tests.walk.small import copy, expect, run, wipe

MADE = (".dvc/cache", "data", "artifacts", "records", "runs", "report")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="s3-") as folder, serving() as server:
        copied, storage = Path(folder), bucket(server, "sresnet")
        host, port = server.get_host_and_port()
        copy(copied, epochs=1, micro_batches=2, cluster={"storage": storage})
        run(copied, "python", "-m", "pipeline.cli.command_line", "check", **KEYS)
        run(copied, "dvc", "remote", "add", "--default", "s3", "s3://sresnet/dvc")
        run(copied, "dvc", "remote", "modify", "s3", "endpointurl", f"http://{host}:{port}")
        run(copied, "dvc", "repro", **KEYS)
        run(copied, "dvc", "push", **KEYS)
        wipe(copied, *MADE)
        run(copied, "dvc", "pull", **KEYS)
        again = run(copied, "dvc", "repro", **KEYS)
        expect("up to date" in again and "Running stage" not in again, "after push, wipe and pull nothing runs again")
        for root in ((), ("--root", ".")):
            run(copied, "python", "-m", "pipeline.cli.command_line", "verify", *root)
        again = run(copied, "dvc", "repro", "--force", "--single-item", "train@digits-0", **KEYS)
        expect("taken from the finished state" in again, "a training whose state is in the bucket is not trained again")


if __name__ == "__main__":
    main()
