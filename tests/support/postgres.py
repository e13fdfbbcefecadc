"""A PostgreSQL of the tests' own: made, started and stopped here.

As root, PostgreSQL's programs run as the user `postgres`, who must own the directory.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tools.ports import any_free


def binary(name: str) -> str:
    """The newest installed `initdb` or `pg_ctl`."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4])
    )
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is missing: install PostgreSQL (apt install postgresql)")
    return found


def run(*command: str) -> None:
    """Run one of PostgreSQL's programs, as `postgres` where we are root."""
    prefix: Sequence[str] = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
    done = subprocess.run([*prefix, *command], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"


@contextmanager
def server() -> Iterator[str]:
    """A running server; yields the URL of its maintenance database, without the name."""
    folder = Path(tempfile.mkdtemp(prefix="orders-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data, port = folder / "data", any_free()
    run(binary("initdb"), "-D", str(data), "-U", "orders", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
    try:
        log = str(folder / "log")
        run(binary("pg_ctl"), "-D", str(data), "-w", "-l", log, "-o", options, "start")
        yield f"postgresql://orders@127.0.0.1:{port}"
    finally:
        run(binary("pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def create_database(server_url: str, name: str, template: str = "template1") -> str:
    """A new database, empty or as its template; returns its URL."""
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"{server_url}/{name}"
