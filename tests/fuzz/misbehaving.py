"""Forbidden behaviour of decoders, one case each."""

import os
import signal
import time

from tests.fuzz import guarded
from tests.fuzz.damage import Case


def misbehaving(case: Case) -> str:
    if case.number == 1:
        os.abort()
    if case.number == 2:
        return str(len(bytearray(2 * guarded.MEMORY)))
    if case.number == 3:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # as native code does not see it
        time.sleep(600)
    if case.number == 4:
        raise ValueError("not for the user")
    if case.number == 5:
        while True:
            pass
    return "frames"
