"""Sources of an import: the files of a folder, one file, or an archive of files."""

import io
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath

from models.errors import FieldError, InvalidInput
from models.import_problems import Problem

MAX_BYTES = 200_000_000
"""The largest file, and the largest sum of unpacked files of an archive."""
MAX_ARCHIVED = 10_000
"""The number of files in an archive."""
READABLE = (".csv", ".tsv", ".txt", ".xlsx")
OTHER_TABLES = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
"""Endings of tables that are not read."""
SAVE_AS = "save it as CSV or as .xlsx"


@dataclass(frozen=True)
class Source:
    """A file of an import."""

    name: str
    content: bytes

    @property
    def stem(self) -> str:
        """The name without its ending, in small letters: `products` of Products.CSV."""
        return PurePath(self.name).stem.casefold()


def read_path(path: Path) -> list[Source]:
    """Read a file, or the tables of a folder. Raises InvalidInput."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and _is_table(file.name))
    elif path.is_file():
        files = [path]
    else:
        raise refuse(str(path), "is not a folder or file")
    for file in files:
        if file.stat().st_size > MAX_BYTES:
            raise refuse(file.name, f"is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return [Source(file.name, file.read_bytes()) for file in files]
    except OSError as error:
        raise refuse(str(error.filename), error.strerror or "can't be read") from error


BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises for a broken archive, an unknown compression or a password."""


def read_archive(content: bytes) -> list[Source]:
    """Read the tables of a zip archive. Raises InvalidInput."""
    try:
        with open_archive("archive", content) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and _is_table(m.filename)]
            return [Source(PurePath(m.filename).name, archive.read(m)) for m in members]
    except BROKEN_ZIP as error:
        raise refuse("archive", f"is not a zip archive that can be read ({error})") from error


def open_archive(name: str, content: bytes) -> zipfile.ZipFile:
    """Open a zip archive whose files unpack to at most MAX_BYTES.

    A member never unpacks to more than the archive declares. Raises InvalidInput, BadZipFile.
    """
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if size > MAX_BYTES or len(members) > MAX_ARCHIVED:
        raise refuse(name, f"unpacks to more than {MAX_BYTES // 1_000_000} MB: split it")
    return archive


def known_sources(
    sources: Iterable[Source], stems: Collection[str]
) -> tuple[dict[str, Source], list[Problem]]:
    """Return the sources with known names, and a warning for each other table.

    Raises InvalidInput for two files of one name, and for known names in other formats.
    """
    known: dict[str, Source] = {}
    warnings = []
    errors = []
    for source in sources:
        if source.stem not in stems:
            warnings.append(Problem(source.name, None, None, _unknown(source.stem, stems)))
        elif not source.name.casefold().endswith(READABLE):
            errors.append(FieldError(source.name, f"is in a format that is not read: {SAVE_AS}"))
        elif other := known.get(source.stem):
            errors.append(FieldError(source.name, f"{other.name} is there too: remove one of them"))
        else:
            known[source.stem] = source
    if errors:
        raise InvalidInput(errors, "import_refused")
    return known, warnings


def _unknown(stem: str, stems: Collection[str]) -> str:
    similar = get_close_matches(stem, stems, n=1)
    hint = f"; is it {similar[0]}?" if similar else ""
    return f"is not imported, as its name is none of {', '.join(stems)}{hint}"


def _is_table(name: str) -> bool:
    """Return whether a file is a table, and not a lock or hidden file of an editor."""
    parts: Sequence[str] = PurePath(name).parts
    hidden = any(part.startswith((".", "~$", "__MACOSX")) for part in parts)
    return not hidden and name.casefold().endswith((*READABLE, *OTHER_TABLES))


def refuse(field: str, reason: str) -> InvalidInput:
    """Build the error of a refused import."""
    return InvalidInput([FieldError(field, reason)], "import_refused")
