"""Ray on hosts with an OpenSSH server each: started, entered and stopped with cluster/ssh.yaml, as its users do it."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.ground.paths import ROOT
from tests.cluster.s3 import KEYS
from tests.walk.namespaces import AS_USER, NET, USER, Host, hosts
from tests.walk.small import PATIENCE, expect, run, say, set_cluster

__all__ = ["STORAGE_ADDRESS", "cluster", "hosts", "missing"]

STORAGE_ADDRESS = f"{NET}.1"
DOWN_SECONDS = 180
TOOLS = ("ssh", "sshd", "ssh-keygen", "rsync")
SERVER_PATHS = "/usr/sbin:/usr/local/sbin"
"""Where sshd is, which a user's PATH may lack."""
EXAMPLE = ("192.0.2.10", "192.0.2.11", "192.0.2.12")
"""Addresses in cluster/ssh.yaml that its user replaces: the head's, then the workers'."""


def missing() -> list[str]:
    """The programs that this machine lacks."""
    return [tool for tool in TOOLS if not tool_path(tool)]


def tool_path(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:{SERVER_PATHS}")


class Launched:
    """A cluster that `ray up` started, as its operator reaches it; the driver works on the head."""

    def __init__(self, folder: Path, machines: list[Host], checkout: Path) -> None:
        self.machines, self.here, self.home = machines, checkout, folder / "operator"
        self.checkout = machines[0].disk / "home" / "sresnet"
        self.file = checkout / "ssh.yaml"
        text = (ROOT / "cluster" / "ssh.yaml").read_text(encoding="utf-8")
        for example, host in zip(EXAMPLE, machines, strict=True):
            text = text.replace(example, host.address)
        text = text.replace("~/.ssh", str(self.home / ".ssh")).replace('# "~/.aws', '"~/.aws')
        self.file.write_text(text, encoding="utf-8")

    def ray(self, verb: str) -> str:
        """`ray up` or `ray down`, at the operator's machine."""
        return run(
            self.here, "ray", verb, str(self.file), "--yes", HOME=str(self.home), RAY_UP_enable_autoscaler_v2="0"
        )

    def run(self, command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """A command's end, run in the checkout on the head."""
        variables = {"PYTHONPATH": ".", "AWS_EC2_METADATA_DISABLED": "true", **more}
        stated = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        say(f"$ ssh HEAD {command}")
        return self.ssh(0, f"cd sresnet && export PATH=$PWD/.venv/bin:$PATH {stated} && {command}")

    def ssh(self, index: int, command: str) -> "subprocess.CompletedProcess[str]":
        """A command's end on one of the machines."""
        known = ("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-q")
        where = ("-i", str(self.home / ".ssh" / "id_ed25519"), *known, f"{USER}@{self.machines[index].address}")
        return subprocess.run(["ssh", *where, command], capture_output=True, text=True, check=False)


@contextmanager
def cluster(folder: Path, machines: list[Host], checkout: Path) -> Iterator[Launched]:
    """A cluster from `ray up` to `ray down`, after which no Ray runs on a machine that still answers."""
    home = folder / "operator"
    own_files(home)
    for host in machines:
        serve(host, folder, home / ".ssh" / "id_ed25519.pub")
    # no host has room for two workers, and evaluation takes what is left
    set_cluster(checkout, address="auto", workers="auto", cpus_per_worker=os.cpu_count())
    shutil.copytree(checkout, machines[0].disk / "home" / "sresnet", symlinks=True)
    launched = Launched(folder, machines, checkout)
    launched.ray("up")
    yield launched
    launched.ray("down")
    expect(ended(machines), "after ray down no Ray runs on any host")


def ended(machines: list[Host]) -> bool:
    """Whether Ray ends on every host, also where `ray down` does not reach: a node ends when it misses its head."""
    for _ in range(DOWN_SECONDS):
        if not any(host.has("raylet") for host in machines):
            return True
        time.sleep(1)
    return False


def own_files(home: Path) -> None:
    """The operator's key, Ray's token and the keys of the bucket."""
    for name in (".ssh", ".ray", ".aws"):
        (home / name).mkdir(parents=True, mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / ".ssh" / "id_ed25519"], check=True)
    ray = Path(sys.executable).with_name("ray")
    subprocess.run([ray, "get-auth-token", "--generate"], env=os.environ | {"HOME": str(home)}, check=True)
    lines = [f"{name.lower()} = {value}" for name, value in KEYS.items() if name.startswith("AWS_")]
    (home / ".aws" / "credentials").write_text("\n".join(["[default]", *lines, ""]), encoding="utf-8")


def serve(host: Host, folder: Path, public_key: Path) -> None:
    """An OpenSSH server with its own key, for a user whose home is on the host's disk."""
    home, own = host.disk / "home", folder / "own"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(public_key, home / ".ssh" / "authorized_keys")
    (home / ".bashrc").touch()
    installed(home / "sresnet-venv")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host.disk / "host_key"], check=True)
    surroundings = " ".join(f"{name}={value}" for name, value in {"TMPDIR": own, **PATIENCE}.items())
    (host.disk / "sshd_config").write_text(
        f"HostKey {own}/host_key\nListenAddress {host.address}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nSetEnv {surroundings}\n",
        encoding="utf-8",
    )
    command = (*AS_USER, str(tool_path("sshd")), "-D", "-e", "-f", f"{own}/sshd_config")
    host.start(*command, env=dict(os.environ), log=folder / f"{host.name}.log")


def installed(venv: Path) -> None:
    """This machine's packages, as if the set-up of cluster/ssh.yaml had installed them."""
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    shutil.copy(ROOT / "requirements.lock", venv / "installed")
