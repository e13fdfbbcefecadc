"""Returns: goods that come back, what is allowed, and what becomes of them."""

from enum import StrEnum


class ReturnState(StrEnum):
    """The life of a return (RMA)."""

    REQUESTED = "requested"
    AUTHORISED = "authorised"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    SETTLED = "settled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_over(self) -> bool:
        """Nothing more is expected of it."""
        return self in (ReturnState.SETTLED, ReturnState.REJECTED, ReturnState.EXPIRED)


class ReturnReason(StrEnum):
    """Why goods come back."""

    CHANGED_MIND = "changed_mind"
    WRONG_ITEM = "wrong_item"
    DEFECTIVE = "defective"
    DAMAGED = "damaged"
    UNANNOUNCED = "unannounced"
    """They came, and nobody had said so."""

    @property
    def is_our_fault(self) -> bool:
        """All of the price is given back, whatever the goods look like."""
        return self in (ReturnReason.WRONG_ITEM, ReturnReason.DEFECTIVE, ReturnReason.DAMAGED)


class ReturnWish(StrEnum):
    """What the customer wants for the goods."""

    REFUND = "refund"
    EXCHANGE = "exchange"


class Disposition(StrEnum):
    """What becomes of a unit that came back."""

    RESTOCK = "restock"
    SCRAP = "scrap"
    TO_SUPPLIER = "to_supplier"


class Condition(StrEnum):
    """What a unit that came back looks like."""

    AS_NEW = "as_new"
    OPENED = "opened"
    WORN = "worn"
