"""Manage the files of a stack in VAR_DIR: lock, secrets, ports and environment."""

import fcntl
import json
import os
import shlex
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes

from dotenv import dotenv_values

from models.access import new_secret
from models.errors import Refused

LOCK = "lock"
MARKER = ".demo"
"""Marks a directory that the demo created and may empty."""
PARTNERS = ("PAYMENTS", "SUPPLIERS", "CARRIERS")


class VarDirInUse(Refused):
    """Another stack uses this VAR_DIR."""

    def __init__(self, var_dir: Path) -> None:
        super().__init__(
            "var_dir_in_use",
            f"Another stack is running in {var_dir}. Stop it (Ctrl-C in its terminal), "
            "or set VAR_DIR to another directory.",
        )


class VarDirNotOwned(Refused):
    """The demo did not create this directory, so it must not empty it."""

    def __init__(self, var_dir: Path) -> None:
        super().__init__(
            "var_dir_not_ours",
            f"The demo empties its VAR_DIR, but it did not create {var_dir}. "
            "Set VAR_DIR to a new or empty directory, or unset it.",
        )


class VarDirUnusable(Refused):
    """The directory cannot be created or written."""

    def __init__(self, var_dir: Path, reason: str | None) -> None:
        super().__init__("var_dir_unusable", f"VAR_DIR {var_dir} is not usable: {reason}.")


@contextmanager
def locked(var_dir: Path) -> Iterator[None]:
    """Lock `var_dir` during the block; raises VarDirInUse or VarDirUnusable."""
    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        file = (var_dir / LOCK).open("w")
    except OSError as error:
        raise VarDirUnusable(var_dir, error.strerror) from error
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VarDirInUse(var_dir) from None
        yield


def check_removable(var_dir: Path) -> None:
    """Raise VarDirNotOwned if the directory has files and the demo did not create it."""
    names = {path.name for path in var_dir.iterdir()} if var_dir.exists() else set()
    if names - {LOCK} and MARKER not in names:
        raise VarDirNotOwned(var_dir)


def empty(var_dir: Path) -> None:
    """Remove all files except the caller's lock; mark the directory as the demo's."""
    (var_dir / MARKER).touch()
    for path in var_dir.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (LOCK, MARKER):
            path.unlink()


def api_token(var_dir: Path, environ: Mapping[str, str]) -> str:
    """Return the token of the API: configured, else stored, else a new one, which is stored."""
    path = var_dir / "token.env"
    if environ.get("API_TOKEN"):
        return environ["API_TOKEN"]
    token = read_env(path).get("API_TOKEN") or new_secret()
    write_private(path, f"API_TOKEN={token}\n")
    return token


def webhook_secrets(var_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the webhook secrets: configured, else stored, else new ones, which are stored."""
    names = [f"WEBHOOK_SECRET_{partner}" for partner in PARTNERS]
    stored = read_env(var_dir / "secrets.env")
    secrets = {name: environ.get(name) or stored.get(name) or _new_secret() for name in names}
    write_private(
        var_dir / "secrets.env",
        "".join(f"{name}={secrets[name]}\n" for name in names if not environ.get(name)),
    )
    return secrets


def last_ports(var_dir: Path) -> dict[str, int]:
    """Read the ports of the last start; empty before the first."""
    path = var_dir / "ports.json"
    ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    return ports


def save_ports(var_dir: Path, ports: Mapping[str, int]) -> None:
    """Store the ports for the next start."""
    write_private(var_dir / "ports.json", json.dumps(ports))


def read_env(path: Path) -> dict[str, str]:
    """Read a file of NAME=value lines; empty if there is no such file."""
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def export_lines(env: Mapping[str, str]) -> str:
    """Format variables as `export` lines for a shell."""
    return "".join(f"export {name}={shlex.quote(env[name])}\n" for name in sorted(env))


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner only."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.rename(path)


def _new_secret() -> str:
    return "whsec_" + b64encode(token_bytes(24)).decode()
