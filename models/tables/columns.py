"""Types of columns, and the naming of constraints."""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Enum
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def bigint(**options: object) -> Any:
    """Define a 64-bit integer column, as amounts exceed 32 bits."""
    return Field(sa_type=BigInteger, **options)  # type: ignore[call-overload]  # its overloads take no **options


def running_total() -> Any:
    """Define a column for a sum in minor units to which facts add."""
    return bigint(default=0)


def enum_column(members: type[StrEnum], **options: object) -> Any:
    """Define a text column of an enum; a new member needs no migration."""
    column_type = Enum(
        members, native_enum=False, length=32, values_callable=lambda enum: [m.value for m in enum]
    )
    return Field(sa_type=column_type, **options)  # type: ignore[call-overload]  # as above


SQLModel.metadata.naming_convention = NAMING
