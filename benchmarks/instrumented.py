"""Run a program of the pipeline with counters: `python -m benchmarks.instrumented FOLDER PROGRAM`.

PROGRAM is a file, or `-m` and a module, with its arguments. `FOLDER/<pid>.counts` holds the counts
of its transactions, for other processes to read. While `FOLDER/tracing` exists, each transaction is
appended to `FOLDER/<pid>.trace`. While `FOLDER/sampling` exists, the process is sampled; when it
disappears, the samples are written to `FOLDER/<pid>.samples`.
"""

import json
import mmap
import os
import runpy
import struct
import sys
import threading
import time
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from benchmarks.sampling import INTERVAL_S, SWITCH_INTERVAL_S, Sampler
from benchmarks.statements import Recorder, Transaction
from models.errors import DatabaseBusy

LAYOUT = struct.Struct("4q")
SWITCH_POLL_S = 0.05


@dataclass
class Counts:
    """The transactions of a process since its start."""

    writes: int = 0
    """Committed transactions that may write."""
    reads: int = 0
    """Committed transactions that only read."""
    statements: int = 0
    """Statements of both, without BEGIN and COMMIT."""
    busy: int = 0
    """Transactions that failed with DatabaseBusy."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @classmethod
    def load(cls, path: Path) -> "Counts":
        """Read the counts that a running process publishes in a file."""
        return cls(*LAYOUT.unpack(path.read_bytes()))


class Published:
    """Counts of this process that other processes can read in a file."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(LAYOUT.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), LAYOUT.size)
        self._lock = threading.Lock()
        self._counts = Counts()

    def add(self, transaction: Transaction) -> None:
        """Count a committed transaction."""
        with self._lock:
            if not transaction.is_glance:
                self._counts.reads += transaction.reads_only
                self._counts.writes += not transaction.reads_only
            self._counts.statements += len(transaction.statements)
            self._publish()

    def add_busy(self) -> None:
        """Count a transaction that failed because the database was busy."""
        with self._lock:
            self._counts.busy += 1
            self._publish()

    def _publish(self) -> None:
        counts = self._counts
        LAYOUT.pack_into(
            self._memory, 0, counts.writes, counts.reads, counts.statements, counts.busy
        )


def count_busy(published: Published) -> None:
    """Count each DatabaseBusy that is raised from now on."""
    initialise = DatabaseBusy.__init__

    def counted(self: DatabaseBusy, *args: object) -> None:
        published.add_busy()
        initialise(self, *args)  # type: ignore[arg-type]  # as they were given

    DatabaseBusy.__init__ = counted  # type: ignore[method-assign,assignment]


class Switches(threading.Thread):
    """Traces and samples this process while the files of these names exist."""

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        super().__init__(name="switches", daemon=True)
        self._folder, self._recorder = folder, recorder

    def run(self) -> None:
        """Follow the switches until the process ends."""
        while True:
            self._recorder.traced = (self._folder / "tracing").exists()
            if (self._folder / "sampling").exists():
                self._sample()
            time.sleep(SWITCH_POLL_S)

    def _sample(self) -> None:
        usual_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        sampler, before = Sampler(), time.process_time_ns() - time.thread_time_ns()
        while (self._folder / "sampling").exists():
            sampler.sample()
            time.sleep(INTERVAL_S)
        sys.setswitchinterval(usual_interval_s)
        used = time.process_time_ns() - time.thread_time_ns() - before
        stacks = [{"stack": stack, "ns": ns} for stack, ns in sampler.cpu_ns.items()]
        written = self._folder / f"{os.getpid()}.part"
        written.write_text(json.dumps({"process_ns": used, "stacks": stacks}))
        written.rename(self._folder / f"{os.getpid()}.samples")


def instrument(folder: Path) -> None:
    """Count, and follow the switches in `folder`."""
    published = Published(folder / f"{os.getpid()}.counts")
    trace = (folder / f"{os.getpid()}.trace").open("a")

    def ended(transaction: Transaction) -> None:
        published.add(transaction)
        if recorder.traced:
            line = {
                "ended_at": time.time(),
                "step": transaction.step,
                "reads_only": transaction.reads_only,
                "elapsed_ms": transaction.elapsed_ms,
                "statements": [asdict(statement) for statement in transaction.statements],
            }
            trace.write(json.dumps(line) + "\n")
            trace.flush()

    recorder = Recorder(ended)
    recorder.install()
    count_busy(published)
    Switches(folder, recorder).start()


def main() -> None:
    """Run the program of the command line."""
    instrument(Path(sys.argv[1]))
    sys.argv = sys.argv[2:]
    if sys.argv[0] != "-m":
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
