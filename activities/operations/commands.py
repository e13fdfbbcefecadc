"""Commands: what a person asks for is done once, and kept with who asked and why."""

from sqlmodel import Session
from temporalio import activity

from activities.billing.commands import MoneyControl
from activities.database.engine import Clock, Database
from activities.orders.commands import OrderControl
from activities.returns.commands import ReturnsControl
from activities.shipping.claims import ClaimControl
from activities.shipping.commands import ShipmentControl
from activities.stock.commands import StockControl
from models.messages.commands import (
    COMMAND_ID_TAKEN,
    AdjustStock,
    AuthoriseReturn,
    CancelRest,
    ClosePurchase,
    CloseReturn,
    Command,
    Commanded,
    CommandStep,
    CountStock,
    EndCallBack,
    FileClaim,
    InspectReturn,
    NoChange,
    ReceiveReturn,
    RecoverShipment,
    RefundShipment,
    RejectReturn,
    RequestReturn,
    Reship,
    ReturnOnItsWay,
    SeeTo,
    SettleClaim,
    TransferStock,
    WithdrawClaim,
    refuse,
)
from models.messages.steps import Echo
from models.tables.operations import CommandRow


class Commands:
    """The step of CommandWorkflow."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        stock: StockControl,
        money: MoneyControl,
        orders: OrderControl,
        shipments: ShipmentControl,
        claims: ClaimControl,
        returns: ReturnsControl,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stock = stock
        self._money = money
        self._orders = orders
        self._shipments = shipments
        self._claims = claims
        self._returns = returns

    @activity.defn
    def obey_command(self, step: CommandStep) -> Commanded:
        """Do what a person asks for, once per command id, or say why not and change nothing. What
        an attempt before this one has done while this one waited for it is no reason why not."""
        command = step.command
        try:
            return self._database.transaction(lambda session: self._obey(session, command))
        except NoChange as no:
            done = self._database.read(lambda session: _done_before(session, command))
            if done is not None and done.command == command:
                return done
            echo = Echo(cause=f"{command.kind}:{command.command_id}")
            return Commanded(command=command, echo=echo, refusal=no.refusal)

    def _obey(self, session: Session, command: Command) -> Commanded:
        done = _done_before(session, command)
        if done is not None:
            if done.command != command:
                refuse(
                    "command_id",
                    f"{command.command_id!r} was used for another command; use another id",
                    COMMAND_ID_TAKEN,
                )
            return done
        match command:
            case AdjustStock() | CountStock() | TransferStock() | ClosePurchase():
                done = self._stock.do(session, command)
            case CancelRest() | SeeTo():
                done = self._orders.do(session, command)
            case Reship() | RefundShipment() | RecoverShipment() | EndCallBack():
                done = self._shipments.do(session, command)
            case FileClaim() | SettleClaim() | WithdrawClaim():
                done = self._claims.do(session, command)
            case (
                RequestReturn()
                | AuthoriseReturn()
                | RejectReturn()
                | ReturnOnItsWay()
                | CloseReturn()
                | ReceiveReturn()
                | InspectReturn()
            ):
                done = self._returns.do(session, command)
            case _:
                done = self._money.do(session, command)
        session.add(
            CommandRow(
                command_id=command.command_id,
                kind=command.kind,
                actor=command.actor,
                reason=command.reason,
                outcome=done.model_dump(mode="json"),
                recorded_at=self._clock(),
            )
        )
        return done


def _done_before(session: Session, command: Command) -> Commanded | None:
    """What came of the command that has this one's id."""
    known = session.get(CommandRow, command.command_id)
    return Commanded.model_validate(known.outcome) if known else None
