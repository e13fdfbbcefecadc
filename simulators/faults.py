"""Faults that the partners show when they are told to, so that tests can see us cope."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.contract import Partner

OperationName = Literal[
    "request", "void", "refund", "purchase_order", "booking", "cancel", "callback"
]
FaultName = Literal[
    "delay", "error", "timeout_after", "refuse", "duplicate", "reorder"
]  # fmt: skip

OPERATIONS_OF: dict[Partner, set[OperationName]] = {
    "payments": {"request", "void", "refund", "callback"},
    "suppliers": {"purchase_order", "callback"},
    "carriers": {"booking", "cancel", "callback"},
}
FAULTS_OF_CALLS: set[FaultName] = {"delay", "error", "timeout_after", "refuse"}
FAULTS_OF_CALLBACKS: set[FaultName] = {"delay", "duplicate", "reorder"}


class Fault(BaseModel):
    """What goes wrong with one operation, and how often.

    - delay: waits `seconds`, then does it
    - error: answers `status`, nothing done
    - timeout_after: does it, then waits `seconds` before it answers
    - refuse: a definite no (422), nothing done and nothing kept under the key
    - duplicate: the callback is sent twice
    - reorder: the callback is sent after the next one about the same subject
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

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.operation not in OPERATIONS_OF[self.partner]:
            raise ValueError(f"{self.partner} have no operation {self.operation}")
        known = FAULTS_OF_CALLBACKS if self.operation == "callback" else FAULTS_OF_CALLS
        if self.fault not in known:
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

    def _count_down(self, fault: Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self.pending.remove(fault)
