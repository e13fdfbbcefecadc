"""Faults that the partners show when they are told to, so that tests can see us cope."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.contract import Partner

OperationName = Literal[
    "request",
    "capture",
    "void",
    "refund",
    "purchase_order",
    "fulfilment",
    "quote",
    "booking",
    "cancel",
    "callback",
]
FaultName = Literal[
    "delay", "error", "timeout_after", "refuse", "duplicate", "reorder",
    "silence", "decline", "promise_part", "answer_twice", "slip", "ship_first",
    "ship_short", "ship_long", "damage", "other_price",
]  # fmt: skip

OPERATIONS_OF: dict[Partner, set[OperationName]] = {
    "payments": {"request", "capture", "void", "refund", "callback"},
    "suppliers": {"purchase_order", "fulfilment", "callback"},
    "carriers": {"quote", "booking", "cancel", "callback"},
}
FAULTS_OF_CALLS: set[FaultName] = {"delay", "error", "timeout_after", "refuse"}
FAULTS_OF_CALLBACKS: set[FaultName] = {"delay", "duplicate", "reorder"}
FAULTS_OF_FULFILMENT: set[FaultName] = {
    "silence", "decline", "promise_part", "answer_twice", "slip", "ship_first",
    "ship_short", "ship_long", "damage", "other_price",
}  # fmt: skip


class Fault(BaseModel):
    """What goes wrong with one operation, and how often.

    - delay: waits `seconds`, then does it
    - error: answers `status`, nothing done
    - timeout_after: does it, then waits `seconds` before it answers
    - refuse: a definite no (422), nothing done and nothing kept under the key
    - duplicate: the callback is sent twice
    - reorder: the callback is sent after the next one about the same subject

    What a supplier (`supplier_id`; none: any) makes of a purchase order that it has taken, each
    once per order, and together with others:

    - silence: says and does nothing
    - decline: acknowledges 0 of every line, and does nothing
    - promise_part: acknowledges and ships only `units` of each line
    - answer_twice: acknowledges again, under another id
    - slip: acknowledges again, with a date `days` later
    - ship_first: acknowledges after everything has arrived
    - ship_short, ship_long: `units` less, or more, than it has promised of each line arrive
    - damage: `units` of each line arrive damaged, and aren't invoiced
    - other_price: invoices `percent` more (below zero: less) than was ordered
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    partner: Partner
    operation: OperationName
    fault: FaultName
    times: int | None = Field(default=1, ge=1)
    """How often it is still to happen; null: until cleared."""
    seconds: float = Field(default=5.0, ge=0)
    status: int = Field(default=503, ge=500, le=599)
    code: str = "refused"
    """What a refusal says it is."""
    supplier_id: str | None = None
    units: int = Field(default=1, ge=0)
    days: int = 7
    percent: int = Field(default=10, ge=-100)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.operation not in OPERATIONS_OF[self.partner]:
            raise ValueError(f"{self.partner} have no operation {self.operation}")
        others = {"callback": FAULTS_OF_CALLBACKS, "fulfilment": FAULTS_OF_FULFILMENT}
        if self.fault not in others.get(self.operation, FAULTS_OF_CALLS):
            raise ValueError(f"{self.operation} has no fault {self.fault}")
        return self


class Faults:
    """The faults still to happen, in the order they were asked for."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let it happen from now on."""
        self.pending.append(fault)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.pending.clear()

    def take(self, partner: str, operation: str, *names: FaultName) -> Fault | None:
        """Use up one occurrence of the first fault that fits (any name, if none is given)."""
        for fault in self.pending:
            fits = fault.partner == partner and fault.operation == operation
            if fits and (not names or fault.fault in names):
                self._count_down(fault)
                return fault
        return None

    def take_conduct(self, supplier_id: str) -> Sequence[Fault]:
        """Use up one occurrence of all that a supplier is to do wrong with its next order."""
        conduct: dict[FaultName, Fault] = {}
        for fault in list(self.pending):
            ours = fault.operation == "fulfilment" and fault.supplier_id in (None, supplier_id)
            if ours and fault.fault not in conduct:
                conduct[fault.fault] = fault
                self._count_down(fault)
        return list(conduct.values())

    def _count_down(self, fault: Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self.pending.remove(fault)
