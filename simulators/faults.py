"""Define the faults that tests inject into the simulated partners."""

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
    "refund_report",
    "callback",
]
FaultName = Literal[
    "delay", "error", "timeout_after", "refuse", "duplicate", "reorder",
    "silence", "decline", "promise_part", "answer_twice", "slip", "ship_first",
    "ship_short", "ship_long", "damage", "other_price",
    "report", "fail",
]  # fmt: skip

OPERATIONS_OF: dict[Partner, set[OperationName]] = {
    "payments": {"request", "capture", "void", "refund", "refund_report", "callback"},
    "suppliers": {"purchase_order", "cancel", "fulfilment", "callback"},
    "carriers": {"quote", "booking", "cancel", "callback"},
}
FAULTS_OF_CALLS: set[FaultName] = {"delay", "error", "timeout_after", "refuse"}
FAULTS_OF_CALLBACKS: set[FaultName] = {"delay", "duplicate", "reorder"}
FAULTS_OF_FULFILMENT: set[FaultName] = {
    "silence", "decline", "promise_part", "answer_twice", "slip", "ship_first",
    "ship_short", "ship_long", "damage", "other_price",
}  # fmt: skip
FAULTS_OF_REFUNDS: set[FaultName] = {"report", "fail"}


class Fault(BaseModel):
    """A fault of one operation, and how often it occurs.

    Faults of calls and callbacks:

    - delay: wait `seconds`, then execute
    - error: answer `status` (5xx) without executing
    - timeout_after: execute, then wait `seconds` before answering
    - refuse: answer 422 without executing or recording the key
    - duplicate: send the callback twice
    - reorder: send the callback after the subject's next one

    Behaviour after an accepted refund, operation `refund_report`:

    - report: send `payment.refunded` after one delay
    - fail: send `payment.refund_failed` after two delays

    Faults of an accepted purchase order, for `supplier_id` (None: any supplier). Each applies
    once per order; several combine:

    - silence: send no callback and no goods
    - decline: acknowledge 0 units of every line; send no goods
    - promise_part: acknowledge and ship at most `units` of each SKU
    - answer_twice: acknowledge again under another id
    - slip: acknowledge again with a date `days` later
    - ship_first: acknowledge after all goods have arrived
    - ship_short, ship_long: ship `units` fewer, or more, of each SKU than promised
    - damage: deliver `units` of each SKU damaged and not invoiced
    - other_price: invoice `percent` more (negative: less) than ordered
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    partner: Partner
    operation: OperationName
    fault: FaultName
    times: int | None = Field(default=1, ge=1)
    """Remaining occurrences; null: until cleared."""
    seconds: float = Field(default=5.0, ge=0)
    status: int = Field(default=503, ge=500, le=599)
    code: str = "refused"
    """The error code of `refuse`."""
    supplier_id: str | None = None
    units: int = Field(default=1, ge=0)
    days: int = 7
    percent: int = Field(default=10, ge=-100)

    @model_validator(mode="after")
    def _fault_of_operation(self) -> Self:
        if self.operation not in OPERATIONS_OF[self.partner]:
            raise ValueError(f"{self.partner} has no operation {self.operation}")
        others = {
            "callback": FAULTS_OF_CALLBACKS,
            "fulfilment": FAULTS_OF_FULFILMENT,
            "refund_report": FAULTS_OF_REFUNDS,
        }
        if self.fault not in others.get(self.operation, FAULTS_OF_CALLS):
            raise ValueError(f"{self.operation} has no fault {self.fault}")
        return self


class Faults:
    """The pending faults, in the order they were added."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault, effective at once."""
        self.pending.append(fault)

    def clear(self) -> None:
        """Remove all pending faults."""
        self.pending.clear()

    def take(self, partner: str, operation: str, *names: FaultName) -> Fault | None:
        """Use one occurrence of the first matching fault; without `names`, any name matches."""
        for fault in self.pending:
            matches = fault.partner == partner and fault.operation == operation
            if matches and (not names or fault.fault in names):
                self._count_down(fault)
                return fault
        return None

    def take_fulfilment_faults(self, supplier_id: str) -> dict[FaultName, Fault]:
        """Use one occurrence of each fulfilment fault of a supplier; return them by name."""
        taken: dict[FaultName, Fault] = {}
        for fault in list(self.pending):
            matches = fault.operation == "fulfilment" and fault.supplier_id in (None, supplier_id)
            if matches and fault.fault not in taken:
                taken[fault.fault] = fault
                self._count_down(fault)
        return taken

    def _count_down(self, fault: Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self.pending.remove(fault)
