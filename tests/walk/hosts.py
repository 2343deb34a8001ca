"""The pipeline on three hosts on this machine, one of which loses its connection: python -m tests.walk.hosts

Hosts are network namespaces if the machine permits them, each with its own disk and a link that goes down. Otherwise
they are Ray nodes with separate addresses on the loopback, whose processes are killed. Ray has a token; data and
checkpoints are in an S3 bucket.
"""

import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.s3 import KEYS, bucket, serving
from tests.walk import loopback, namespaces
from tests.walk.namespaces import Host
from tests.walk.small import copy, expect, run, say, set_cluster, surroundings, wipe

HEALTH = {"period_ms": "3000", "timeout_ms": "10000", "failure_threshold": "3", "initial_delay_ms": "0"}
"""Ray takes a silent node for lost within half a minute."""
WAIT_SECONDS = 600
LAST = "evaluate@digits-0"
"""The last stage that runs on Ray."""


def main() -> None:
    here = loopback.hosts if "loopback" in sys.argv else namespaces.hosts
    with tempfile.TemporaryDirectory(prefix="h-") as name:
        folder = Path(name)
        with here(3, folder) as machines, serving(machines[0].address) as server:
            try:
                walk(folder, machines, bucket(server, "sresnet"))
            finally:
                for log in sorted(folder.glob("*.log")) if sys.exc_info()[0] else ():
                    say(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}")


def walk(folder: Path, machines: list[Host], storage: str) -> None:
    token = secrets.token_hex(32)
    copied = folder / "copy"
    copy(copied, epochs=8, micro_batches=3, cluster={"workers": 1})
    say("undisturbed, one worker on this host:")
    run(copied, "dvc", "repro", LAST, **KEYS)
    undisturbed = (copied / "dvc.lock").read_bytes()
    wipe(copied, "artifacts", "runs", ".dvc/cache")
    (copied / "dvc.lock").unlink()
    address = f"{machines[0].address}:6379"
    set_cluster(copied, address=address, workers=3, storage=storage, checkpoint_seconds=1)
    env = {**KEYS, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "TMPDIR": str(folder / "own")}
    start_ray(folder, machines, address, env)
    wrong = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.command_line", "check"],
        cwd=copied,
        env=surroundings(**env | {"RAY_AUTH_TOKEN": "0" * 64}),
        capture_output=True,
        text=True,
        check=False,
    )
    expect(
        wrong.returncode == 1 and "the token is missing or rejected" in wrong.stderr,
        f"a wrong token is refused: {wrong.stderr.strip()[-300:]}",
    )
    wait_for_nodes(copied, len(machines), env)
    with cut_in_the_middle(copied, machines[1:]) as gone:
        run(copied, "dvc", "repro", LAST, **env)
    expect(bool(gone), f"{', '.join(gone)} was cut off in the middle")
    log = next((copied / "runs").glob("digits-0-*/log.txt")).read_text()
    expect("resumes from epoch" in log, "the training went on from a checkpoint")
    expect(
        (copied / "dvc.lock").read_bytes() == undisturbed, "dvc.lock is as that of the undisturbed run, byte for byte"
    )


def start_ray(folder: Path, machines: list[Host], address: str, env: dict[str, str]) -> None:
    """A head and its nodes, two CPUs each."""
    (folder / "own" / "ray").mkdir(exist_ok=True)
    health = {f"RAY_health_check_{name}": value for name, value in HEALTH.items()}
    common = ("--num-cpus", "2", "--object-store-memory", "100000000", "--block", "--disable-usage-stats")
    for host in machines:
        head = host is machines[0]
        where = (
            ("--head", "--port", "6379", "--include-dashboard", "false", "--temp-dir", str(folder / "own" / "ray"))
            if head
            else ("--address", address)
        )
        command = (
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            *where,
            "--node-ip-address",
            host.address,
            *common,
        )
        host.start(
            *command,
            env=surroundings(**env, **health, GLOO_SOCKET_IFNAME=host.interface),
            log=folder / f"{host.name}.log",
        )
        if head:
            time.sleep(8)


def wait_for_nodes(copied: Path, number: int, env: dict[str, str]) -> None:
    """Until every host has joined."""
    count = "import ray; ray.init('auto', log_to_driver=False); print(sum(node['Alive'] for node in ray.nodes()))"
    for _ in range(WAIT_SECONDS // 5):
        said = subprocess.run(
            [sys.executable, "-c", count],
            cwd=copied,
            env=surroundings(**env),
            capture_output=True,
            text=True,
            check=False,
        )
        if said.stdout.strip().endswith(str(number)):
            say(f"{number} hosts have joined")
            return
        time.sleep(2)
    sys.exit(f"fewer than {number} hosts joined: {said.stdout} {said.stderr}")


@contextmanager
def cut_in_the_middle(copied: Path, machines: list[Host]) -> Iterator[list[str]]:
    """Meanwhile waits for the second epoch, and then cuts a host off that trains; gives its name."""
    gone: list[str] = []

    def cut() -> None:
        for _ in range(WAIT_SECONDS * 10):
            if any("epoch 2/" in log.read_text() for log in (copied / "runs").glob("digits-0-*/log.txt")):
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


if __name__ == "__main__":
    if "inside" not in sys.argv and namespaces.permitted():
        namespaces.inside()
    if "inside" not in sys.argv:
        say("this machine permits no network namespaces: hosts are Ray nodes on the loopback")
        sys.argv.append("loopback")
    main()
