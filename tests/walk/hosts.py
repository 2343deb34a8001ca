"""The pipeline on three hosts on this machine, one of which loses its connection: python -m tests.walk.hosts

Hosts are network namespaces if the machine permits them, each with its own disk, OpenSSH server and a link that goes
down; Ray's launcher starts and stops Ray there with cluster/ssh.yaml. Otherwise they are Ray nodes with separate
addresses on the loopback, whose processes are killed. Ray has a token; data and checkpoints are in an S3 bucket.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import ndiff
from pathlib import Path

from tests.cluster.s3 import KEYS, bucket, serving
from tests.walk import loopback, namespaces, over_ssh
from tests.walk.namespaces import Host
from tests.walk.small import Cluster, copy, expect, run, say, set_cluster, wipe

WAIT_SECONDS = 600


def main() -> None:
    mode = loopback if "loopback" in sys.argv else over_ssh
    with tempfile.TemporaryDirectory(prefix="h-") as name:
        folder = Path(name)
        with mode.hosts(3, folder) as machines, serving(mode.STORAGE_ADDRESS) as server:
            try:
                copied, undisturbed = alone(folder)
                set_cluster(copied, workers=3, storage=bucket(server, "sresnet"), checkpoint_seconds=1)
                with mode.cluster(folder, machines, copied) as cluster:
                    walk(cluster, machines, undisturbed)
            finally:
                for log in sorted(folder.glob("*.log")) if sys.exc_info()[0] else ():
                    say(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}")


def alone(folder: Path) -> tuple[Path, bytes]:
    """A checkout, and its dvc.lock after the same run in one process on this host."""
    copied = folder / "copy"
    copy(copied, epochs=4, micro_batches=3, cluster={"workers": 1})
    say("undisturbed, one worker on this host:")
    run(copied, "make", "repro", **KEYS)
    undisturbed = (copied / "dvc.lock").read_bytes()
    wipe(copied, "artifacts", "records", "report", "runs", ".dvc/cache")
    (copied / "dvc.lock").unlink()
    return copied, undisturbed


def walk(cluster: Cluster, machines: list[Host], undisturbed: bytes) -> None:
    wrong = cluster.run("sresnet check", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
    expect(
        wrong.returncode == 1 and "the token is missing or rejected" in wrong.stderr,
        f"a wrong token is refused: {wrong.stderr.strip()[-300:]}",
    )
    wait_for_nodes(cluster, len(machines))
    with cut_in_the_middle(cluster.checkout, machines[1:]) as gone:
        ended = cluster.run("make repro")
        expect(ended.returncode == 0, f"make repro ends well {'' if not ended.returncode else ended}")
    expect(bool(gone), f"{', '.join(gone)} was cut off in the middle")
    log = next((cluster.checkout / "runs").glob("digits-0-*/log.txt")).read_text()
    expect("resumes from epoch" in log, "the training went on from a checkpoint")
    ours = (cluster.checkout / "dvc.lock").read_bytes()
    changed = [] if ours == undisturbed else ndiff(undisturbed.decode().splitlines(), ours.decode().splitlines())
    said = "".join(f"\n{line}" for line in changed if not line.startswith("  "))
    expect(ours == undisturbed, f"dvc.lock is as that of the undisturbed run, byte for byte{said}")


def wait_for_nodes(cluster: Cluster, number: int) -> None:
    """Until every host has joined."""
    count = "import ray; ray.init('auto', log_to_driver=False); print(sum(node['Alive'] for node in ray.nodes()))"
    for _ in range(WAIT_SECONDS // 5):
        said = cluster.run(f'python -c "{count}"')
        if said.stdout.strip().endswith(str(number)):
            say(f"{number} hosts have joined")
            return
        time.sleep(2)
    sys.exit(f"fewer than {number} hosts joined: {said.stdout} {said.stderr}")


@contextmanager
def cut_in_the_middle(checkout: Path, machines: list[Host]) -> Iterator[list[str]]:
    """Meanwhile waits for the second epoch, and then cuts a host off that trains; gives its name."""
    gone: list[str] = []

    def cut() -> None:
        for _ in range(WAIT_SECONDS * 10):
            if any("epoch 2/" in log.read_text() for log in (checkout / "runs").glob("digits-0-*/log.txt")):
                for host in machines:
                    if host.has("RayTrainWorker"):
                        host.cut()
                        gone.append(host.name)
                        return
            time.sleep(0.1)

    thread = threading.Thread(target=cut, daemon=True)
    thread.start()
    yield gone
    thread.join(timeout=1)


def choose() -> None:
    """Goes into namespaces, or says why not."""
    if not namespaces.permitted():
        reason = "this machine permits no network namespaces"
    elif missing := over_ssh.missing():
        reason = f"this machine lacks {', '.join(missing)} (Debian: openssh-server, rsync)"
    else:
        namespaces.inside("tests.walk.hosts", "inside")
    say(f"{reason}: hosts are Ray nodes on the loopback")
    sys.argv.append("loopback")


if __name__ == "__main__":
    if "inside" not in sys.argv and "loopback" not in sys.argv:
        choose()
    main()
