"""What a stack keeps in VAR_DIR beside its data: the lock, secrets, ports, environment."""

import fcntl
import json
import os
import secrets
import shlex
import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

from models.errors import Refused

LOCK = "lock"
MARKER = ".demo"
"""In a directory that the demo made, and may empty."""
PARTNERS = ("PAYMENTS", "SUPPLIERS", "CARRIERS")


class VarDirInUse(Refused):
    """Another stack runs in this VAR_DIR."""

    def __init__(self, var_dir: Path) -> None:
        super().__init__(
            "var_dir_in_use",
            f"Another stack is running in {var_dir}. Stop it (Ctrl-C where it runs), "
            "or give this one another VAR_DIR.",
        )


class NotOurs(Refused):
    """A directory that the demo didn't make, so it won't empty it."""

    def __init__(self, var_dir: Path) -> None:
        super().__init__(
            "var_dir_not_ours",
            f"The demo empties its VAR_DIR, and {var_dir} wasn't made by it. "
            "Give VAR_DIR a new or an empty directory, or leave it out.",
        )


class VarDirUnusable(Refused):
    """The directory can't be made, or written to."""

    def __init__(self, var_dir: Path, reason: str | None) -> None:
        super().__init__("var_dir_unusable", f"VAR_DIR {var_dir} can't be used: {reason}.")


@contextmanager
def locked(var_dir: Path) -> Iterator[None]:
    """Hold `var_dir` alone while the block lasts; raises VarDirInUse or VarDirUnusable."""
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


def check_may_empty(var_dir: Path) -> None:
    """Raise NotOurs if there is anything in it and the demo didn't make it."""
    names = {path.name for path in var_dir.iterdir()} if var_dir.exists() else set()
    if names - {LOCK} and MARKER not in names:
        raise NotOurs(var_dir)


def empty(var_dir: Path) -> None:
    """Remove what an earlier demo left, all but the lock that the caller holds."""
    (var_dir / MARKER).touch()
    for path in var_dir.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (LOCK, MARKER):
            path.unlink()


def webhook_secrets(var_dir: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The webhooks' secrets: those given, else those kept here, made if there are none."""
    names = [f"WEBHOOK_SECRET_{partner}" for partner in PARTNERS]
    kept = read_env(var_dir / "secrets.env")
    found = {name: given.get(name) or kept.get(name) or _secret() for name in names}
    write_private(
        var_dir / "secrets.env",
        "".join(f"{name}={found[name]}\n" for name in names if not given.get(name)),
    )
    return found


def last_ports(var_dir: Path) -> dict[str, int]:
    """What was remembered the last time; nothing the first time."""
    path = var_dir / "ports.json"
    ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    return ports


def remember_ports(var_dir: Path, ports: Mapping[str, int]) -> None:
    """For `last_ports` of the next start."""
    write_private(var_dir / "ports.json", json.dumps(ports))


def read_env(path: Path) -> dict[str, str]:
    """The variables of a file of NAME=value lines; none if there is no such file."""
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def exports(env: Mapping[str, str]) -> str:
    """Shell lines that give another shell these variables."""
    return "".join(f"export {name}={shlex.quote(env[name])}\n" for name in sorted(env))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


def _secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(24)).decode()
