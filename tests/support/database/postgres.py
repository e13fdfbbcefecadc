"""Create, start and stop a PostgreSQL server for tests.

As root, PostgreSQL's programs run as the user `postgres`, which must own the directory.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tools.ports import any_free


def binary(name: str) -> str:
    """Return the path of the newest installed `initdb` or `pg_ctl`."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4])
    )
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is missing: install PostgreSQL (apt install postgresql)")
    return found


def run(*command: str) -> None:
    """Run one of PostgreSQL's programs, as root under the user `postgres`."""
    prefix: Sequence[str] = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    done = subprocess.run([*prefix, *command], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server in a folder of its own, which can be killed and started again."""

    folder: Path
    port: int
    fsync: bool = False
    """Without fsync, data survives a killed process but not a power failure, which no test has."""

    @property
    def url(self) -> str:
        """The URL without a database name."""
        return f"postgresql://orders@127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """The folder of its data files."""
        return self.folder / "data"

    def make(self) -> None:
        """Create its data files."""
        user = ("-U", "orders", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(binary("initdb"), "-D", str(self.data), *user)

    def start(self) -> None:
        """Start the server; returns when it answers."""
        options = (
            f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
            f" -c fsync={'on' if self.fsync else 'off'}"
        )
        log = str(self.folder / "log")
        run(binary("pg_ctl"), "-D", str(self.data), "-w", "-l", log, "-o", options, "start")

    @property
    def pid(self) -> int:
        """The process id of the postmaster, the parent of all its processes."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """Send SIGKILL to all its processes."""
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(Path(f"/proc/{process}").exists() for process in (pid, *map(int, children))):
            pass

    def stop(self) -> None:
        """Stop the server and delete its files."""
        run(binary("pg_ctl"), "-D", str(self.data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)


@contextmanager
def own_server(*, fsync: bool = False) -> Iterator[Server]:
    """Run a server."""
    folder = Path(tempfile.mkdtemp(prefix="orders-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Server(folder, any_free(), fsync)
    server.make()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def server() -> Iterator[str]:
    """Run a server; yields its URL without a database name."""
    with own_server() as running:
        yield running.url


def create_database(server_url: str, name: str, template: str = "template1") -> str:
    """Create a database, as a copy of `template`; returns its URL."""
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"{server_url}/{name}"
