"""Runs cases in subprocesses with limited time and memory. A process that dies is replaced."""

import multiprocessing
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

SECONDS = 1.0
"""Of the processor, a case."""
MEMORY = 512 << 20
"""Bytes that a case may take."""
SILENCE = 10.0
"""Seconds after which a case is ended from outside: it is in native code that no signal reaches."""
REPORT = 200
"""Cases between two reports of a process."""
Target = Callable[[Any], str]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is damaged."""

    make_case: Callable[[int, int], Any]
    """Of seed and number; a case has a number and a format."""
    formats: tuple[str, ...]
    warm: Callable[[Target], None]
    """What is loaded and made once, before the first case."""
    seconds: float = SECONDS
    memory: int = MEMORY
    silence: float = SILENCE


@dataclass
class Tally:
    """What came of the cases of one format."""

    outcomes: dict[str, int] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    """Seconds of the processor, and the case."""
    largest: tuple[int, int] = (0, -1)
    """Bytes beyond those before the first case, and the case that first took so many."""

    def add(self, other: "Tally") -> None:
        for outcome, cases in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + cases
        self.slowest, self.largest = max(self.slowest, other.slowest), max(self.largest, other.largest)


@dataclass(frozen=True)
class Finding:
    """A case that ended otherwise than it has to."""

    case: int
    reason: str


class TooSlow(BaseException):
    """No Exception, so that nothing under test can take it for one of its own."""


Report = dict[str, Tally] | Finding


def run_cases(subject: Subject, seed: int, cases: int, workers: int, target: Target) -> Iterator[Report]:
    """Runs cases 0 to `cases` - 1 of a seed; gives what was counted, bit by bit, and what was found."""
    running = [_Worker(subject, seed, range(first, cases, workers), target) for first in range(workers)]
    try:
        while running:
            ready = wait([worker.reports for worker in running], timeout=0.2)
            for worker in list(running):
                if worker.reports in ready:
                    yield from worker.received()
                worker.end_if_silent()
                if worker.finished:
                    running.remove(worker)
    finally:
        for worker in running:
            worker.process.kill()


class _Worker:
    """A process that runs cases, and what it takes to replace it."""

    def __init__(self, subject: Subject, seed: int, numbers: range, target: Target) -> None:
        self.subject = subject
        self.seed, self.numbers, self.target, self.finished = seed, numbers, target, False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.reports, writer = context.Pipe(duplex=False)
        self.current = context.Value("q", -1, lock=False)
        arguments = (self.subject, self.seed, self.numbers, self.target, writer, self.current)
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        writer.close()
        self.seen, self.since, self.ended = -1, time.monotonic(), False

    def received(self) -> Iterator[Report]:
        try:
            report = self.reports.recv()
        except EOFError:
            yield from self._died()
            return
        if report is None:
            self.finished = True
            self.process.join()
        else:
            yield report

    def _died(self) -> Iterator[Report]:
        """A crash, or our end of a case that hung: it is a finding, and the next case goes on in a new process."""
        self.process.join()
        at = self.current.value
        if at < 0:
            raise RuntimeError(f"a process of the fuzzer died before its first case ({self.process.exitcode})")
        reason = (
            f"no end after {self.subject.silence:g} s" if self.ended else f"the process died ({self.process.exitcode})"
        )
        yield Finding(at, reason)
        self.numbers = range(at + self.numbers.step, self.numbers.stop, self.numbers.step)
        if self.numbers:
            self._start()
        else:
            self.finished = True

    def end_if_silent(self) -> None:
        if self.current.value != self.seen:
            self.seen, self.since = self.current.value, time.monotonic()
        elif self.seen >= 0 and time.monotonic() - self.since > self.subject.silence and not self.finished:
            self.ended = True
            self.process.kill()


def _work(subject: Subject, seed: int, numbers: range, target: Target, reports: Connection, current: Any) -> None:
    """Runs the cases `numbers`; the last report is None."""
    signal.signal(signal.SIGPROF, _too_slow)
    subject.warm(target)
    _limit_memory(subject.memory)
    before, most = _resident(), _peak()
    tallies = {name: Tally() for name in subject.formats}
    for count, number in enumerate(numbers, 1):
        current.value = number
        case = subject.make_case(seed, number)
        start = time.process_time()
        outcome = _outcome(subject, case, target)
        tally = tallies[case.format]
        if isinstance(outcome, Finding):
            reports.send(outcome)
        else:
            tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
        tally.slowest = max(tally.slowest, (time.process_time() - start, number))
        if (peak := _peak()) > most:
            tally.largest, most = (peak - before, number), peak
        if count % REPORT == 0 or count == len(numbers):
            reports.send(tallies)
            tallies = {name: Tally() for name in subject.formats}
    reports.send(None)


def _outcome(subject: Subject, case: Any, target: Target) -> str | Finding:
    signal.setitimer(signal.ITIMER_PROF, subject.seconds)
    try:
        return target(case)
    except TooSlow:
        return Finding(case.number, f"more than {subject.seconds:g} s")
    except MemoryError:
        return Finding(case.number, f"more than {subject.memory >> 20} MiB")
    except Exception:
        return Finding(case.number, traceback.format_exc(limit=-4))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_slow(*_: object) -> None:
    raise TooSlow


def _limit_memory(memory: int) -> None:
    """The address space, which is what an allocation takes before it is used."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # kilobytes on Linux
