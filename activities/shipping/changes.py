"""Commands that change where and with whom goods leave, until a carrier has them."""

from collections.abc import Sequence

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.gateways.calls import recorded_request
from activities.order_record.audit import record_event
from activities.order_record.lines import shipments_of
from activities.order_record.progress import read_progress, save_progress
from activities.order_record.targets import target_order, why_paused
from activities.shipping.booking import booking_call
from models.addresses import review_address
from models.customers import Address
from models.messages.commands.base import ORDER_REFUSED, refuse
from models.messages.commands.orders import ChangeAddress, ChangeCarrier, OrderCommand
from models.messages.commands.results import CommandResult, FollowUp
from models.messages.commands.shipping import EndRecall
from models.messages.partners import FreightInquiry
from models.orders import Fulfilment
from models.progress import Cancellation, Progress, ShipmentState
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tax import vat_area


@executes(ChangeAddress)
def change_address(work: UnitOfWork, command: ChangeAddress) -> CommandResult:
    """Change the address of the goods of an order that no carrier has."""
    order, changes = _target(work, command), command.changes
    if not changes:
        refuse("street", "nothing is given to change", ORDER_REFUSED)
    before = Address.model_validate(order.ship_to)
    address = Address.model_validate({**before.model_dump(), **changes}).tidy
    if address == before:
        refuse("street", f"{order.order_id} has this address already", ORDER_REFUSED)
    places = [(one.country, one.postal_code or "") for one in (before, address)]
    if vat_area(*places[0]) != vat_area(*places[1]):
        reason = "has another VAT area, and so another tax: cancel the order and place it again"
        refuse("postal_code", reason, ORDER_REFUSED)
    for error in review_address(address).errors:
        refuse(error.field, error.reason, ORDER_REFUSED)
    order.ship_to = address.model_dump()
    # Names only: the audit trail and the history of the workflow keep no personal data.
    changed = f"changed {', '.join(changes)}"
    return _rebook(work, command, order, "address_changed", changed)


@executes(ChangeCarrier)
def change_carrier(work: UnitOfWork, command: ChangeCarrier) -> CommandResult:
    """Name the carrier of the goods of an order that no carrier has."""
    order = _target(work, command)
    named = (command.carrier, command.service or "")
    if command.service and not command.carrier:
        refuse("service", "is given without its carrier", ORDER_REFUSED)
    if named == (order.named_carrier, order.named_service):
        name = " ".join(named).strip() or "no carrier"
        refuse("carrier", f"{name} is named already", ORDER_REFUSED)
    order.named_carrier, order.named_service = named
    name = " ".join(named).strip() or "any carrier again"
    return _rebook(work, command, order, "carrier_changed", name)


def _target(work: UnitOfWork, command: OrderCommand) -> Order:
    """Lock the order of a command, if some of its goods may still go elsewhere."""
    order = target_order(work, command.order_id)
    if problem := _why_not_change(order, read_progress(work.session, order)):
        refuse("order_id", problem, ORDER_REFUSED)
    return order


def _why_not_change(order: Order, progress: Progress) -> str | None:
    """Return why neither address nor carrier of an order can be changed."""
    order_id = order.order_id
    if progress.cancellation is not Cancellation.NONE:
        return f"{order_id} is (being) cancelled"
    if progress.is_paused:
        return why_paused(order_id)
    if order.fulfilment is not Fulfilment.CARRIER:
        return f"no carrier brings {order_id}: the customer takes the goods"
    if not progress.ordered:
        return f"{order_id} has no goods"
    if progress.shipped + progress.written_off >= progress.ordered:
        return (
            f"a carrier has the goods of {order_id}, or had them: have the carrier redirect them, "
            "or authorise a return"
        )
    if any(one.called_back_by for one in progress.shipments):
        return f"a shipment of {order_id} is being recalled: wait for its carrier's answer"
    return None


def _rebook(
    work: UnitOfWork, command: OrderCommand, order: Order, event: str, changed: str
) -> CommandResult:
    """Record a change, and recall the shipments that were or may be booked before it."""
    record_event(work, order.order_id, event, f"{changed} by {command.actor}: {command.reason}")
    recalled = _to_recall(work, order)
    ends = []
    for number, shipment in enumerate(recalled, start=1):
        shipment.called_back_by = command.command_id
        end = EndRecall(
            command_id=f"{command.command_id}:end{number}",
            shipment_id=shipment.shipment_id,
            reason=command.reason,
            actor=command.actor,
            rebook=True,
        )
        ends.append(end)
    save_progress(work, order)
    ids = ", ".join(shipment.shipment_id for shipment in recalled)
    message = f"{order.order_id}: {changed}"
    if ids:
        message += f"; {ids} is cancelled with its carrier and booked again"
    follow_up = None
    if ends:
        follow_up = FollowUp(order_id=order.order_id, recall=ends[0], more_recalls=tuple(ends[1:]))
    return CommandResult.done(
        command,
        message,
        orders=(order.order_id,),
        follow_up=follow_up,
        plans=("the carriers are asked for quotes and a booking, once the goods are packed",),
    )


def _to_recall(work: UnitOfWork, order: Order) -> Sequence[Shipment]:
    """Return the shipments that haven't left, and are booked or may be."""
    return [
        shipment
        for shipment in shipments_of(work.session, order.order_id)
        if shipment.state is ShipmentState.BOOKED
        or (shipment.state is ShipmentState.PLANNED and _is_asked(work, shipment))
    ]


def _is_asked(work: UnitOfWork, shipment: Shipment) -> bool:
    """Return whether carriers were asked about a shipment, without a refusal."""
    call = booking_call(shipment.order_id, shipment.shipment_id)
    return recorded_request(work.session, call, FreightInquiry)[1] is not None
