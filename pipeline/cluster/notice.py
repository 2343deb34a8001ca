"""Ray's notice that a node will be taken away: a spot instance is reclaimed, `ray drain-node` called.

`ray start --block` gives the notice itself when it gets SIGTERM. Ray then places nothing new on the node;
what runs there has until the deadline (Kubernetes: 30 s; clouds: 30 s to two minutes).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.cluster.nodes import drained_nodes

POLL_SECONDS = 2
"""Between two questions. Ray Train's own watcher asks every 5 s, and each answer costs the workers a barrier."""


@dataclass
class DrainNotice:
    """Whether nodes are being drained; asked at each step."""

    addresses: tuple[str, ...] = ()
    """Of the drained nodes."""

    def __call__(self) -> bool:
        return bool(self.addresses)


@contextmanager
def drain_notice(nodes: frozenset[str], say: Callable[[str], None]) -> Iterator[DrainNotice]:
    """Within the block, asks Ray in the background whether one of these nodes (ids) is being drained.

    If Ray does not answer, it says so once and asks again: a node that is lost without notice is a failure like others.
    """
    notice, done = DrainNotice(), threading.Event()

    def follow() -> None:
        failing = False
        while not notice() and not done.wait(POLL_SECONDS):
            try:
                drained = drained_nodes()
                notice.addresses, failing = tuple(sorted(drained[node] for node in nodes & drained.keys())), False
            except Exception as error:  # asked again
                if not failing:
                    say(f"Ray does not say whether nodes are drained: {error}")
                failing = True

    thread = threading.Thread(target=follow, daemon=True)
    if nodes:
        thread.start()
    try:
        yield notice
    finally:
        done.set()
        if nodes:
            thread.join()
