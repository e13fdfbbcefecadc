"""What an operator may do about each attention: command lines to paste, with their effect."""

from collections.abc import Callable
from dataclasses import dataclass

from models.views.why import Action

CLI = ".venv/bin/python starter.py"
"""The command line, from the project's folder."""
REASON = '--reason "WHY"'


@dataclass(frozen=True)
class Target:
    """An order, and what the effect of a command on it depends on."""

    order_id: str
    subject: str = ""
    """The shipment or return that waits; empty: the order itself."""
    due: str = "0"
    """The amount due, with its currency."""
    received: str = "0"
    has_received: bool = False
    goods_left: bool = False


Offer = Callable[[Target], Action]
"""Offers a command for a target."""


def act(command: str, effect: str) -> Action:
    """Make an action; `command` without the program's name."""
    return Action(command=f"{CLI} {command}", effect=effect)


def offer(command: str, effect: str) -> Offer:
    """Build an offer from templates with the fields of a target, and `amount`, that is due."""

    def make(target: Target) -> Action:
        amount, _, _ = target.due.partition(" ")
        fields = {**vars(target), "amount": amount}
        return act(command.format(**fields), effect.format(**fields))

    return make


def cancel(target: Target) -> Action:
    """Offer to cancel the order, or what is left of it."""
    if target.goods_left:
        return act(
            f"cancel-rest {target.order_id} {REASON}",
            "cancels the units that have not left, and refunds or no longer charges their price",
        )
    money = f"refunds {target.received}" if target.has_received else "nothing was paid"
    return act(f"cancel {target.order_id} {REASON}", f"releases the stock; {money}")


def import_data(what: str) -> Offer:
    """Build the offer to import corrected master data."""
    return offer("import FOLDER --dry-run", f"shows what would change: {what}")


retry = offer("retry {order_id}", "tries again at once; moves no money by itself")
retry_supply = offer("retry {order_id}", "asks every supplier again, also those that refused")
accept_delay = offer("accept-delay {order_id}", "records that the customer accepts the new date")
change_address = offer(
    f"change-address {{order_id}} --street STREET {REASON}",
    "a booked pick-up is cancelled, and booked for the new address",
)
change_carrier = offer(
    f"change-carrier {{order_id}} CARRIER {REASON}",
    "a booked pick-up is cancelled, and booked with this carrier",
)
give_up = offer(
    f"give-up {{order_id}} LINE {REASON}",
    "cancels the units of a line that are short, and refunds what was paid for them",
)
resolve_booking = offer(
    f"resolve booking SHIPMENT CARRIER TRACKING {REASON}",
    "records a pick-up that you booked by hand; no carrier is asked",
)
resolve_request = offer(
    f"resolve payment-request {{order_id}} REFERENCE {REASON}",
    "records that you asked the customer to pay {due}",
)
resolve_mail = offer(
    f"resolve mail ABOUT {REASON}", "records that you informed the customer; it isn't mailed"
)
amend = offer(
    f"amend {{order_id}} SKU:QUANTITY {REASON}",
    "changes its lines at the agreed prices, and requests the new amount",
)
split = offer(
    f"split {{order_id}} {REASON}",
    "sends the reserved units now and the others later; bills the whole order",
)
pause = offer(f"pause {{order_id}} {REASON}", "starts nothing more and calls no partner")
resume = offer("resume {order_id}", "what became due meanwhile happens then")
acknowledge = offer(f"retry {{order_id}} {REASON}", "marks it as seen; nothing else changes")
keep_waiting = offer("retry {order_id}", "waits for the same time again")
accept_customer = offer(
    f"accept-customer {{order_id}} {REASON}", "the order, and later ones of the customer, go on"
)
refund_by_hand = offer(
    f"refund {{order_id}} --paid-by transfer {REASON}",
    "records that the refund was paid by hand (or: --paid-by cash)",
)
refund_all_the_same = offer(f"refund {{order_id}} {REASON}", "asks the payment provider to pay it")
withdraw_refund = offer(
    f"refunds withdraw {{order_id}} {REASON}",
    "pays nothing; the amount is owed to the customer again",
)
write_off = offer(f"receivables write-off {{order_id}} {REASON}", "gives up {due} as a loss")
pay = offer("pay {order_id} {amount}", "records {due} as received")
reship = offer(
    f"shipment reship {{subject}} {REASON}",
    "sends the goods again from stock, and claims the lost ones from the carrier",
)
refund_shipment = offer(
    f"shipment refund {{subject}} {REASON}",
    "refunds the price of its goods, and claims them from the carrier",
)
recover = offer(f"shipment recover {{subject}} {REASON}", "puts its goods into stock again")
deliver = offer("deliver {subject}", "records that the goods were delivered")
report = offer("shipment event {subject} STATUS", "records what the carrier answered")
close_return = offer(f"returns close {{subject}} {REASON}", "expects no more goods of it")
lost_return = offer(
    f"returns inspect {{subject}} SKU:QUANTITY:lost {REASON}", "refunds the goods to the customer"
)
authorise_return = offer(
    f"returns authorise {{subject}} {REASON}", "mails the label to the customer"
)
reject_return = offer(f"returns reject {{subject}} {REASON}", "mails the reason to the customer")
receive_return = offer(
    f"returns receive {{subject}} SKU:QUANTITY {REASON}", "records the goods as received"
)
inspect_return = offer(
    f"returns inspect {{subject}} SKU:QUANTITY:restock {REASON}",
    "takes the goods into stock, and refunds them (or: scrap, to_supplier)",
)
show_purchases = offer(
    "purchase-proposals", "lists purchases with units and cost; approve or reject one"
)
place_again = offer("place FILE", "the same document: the order continues; nothing is done twice")

_CORRECT = (retry, cancel)
_BY_HAND = (resolve_booking, resolve_request, resolve_mail)
"""For a partner that doesn't answer or refuses: its message names what was asked."""
OFFERS: dict[str, tuple[Offer, ...]] = {
    "customer_blocked": (import_data("the customer as active"), *_CORRECT),
    "resembles_blocked_customer": (accept_customer, cancel, retry),
    "credit_limit_exceeded": (import_data("a higher credit limit"), *_CORRECT),
    "payment_currency": (
        offer("payments unmatched", "lists the payment; refund or assign it"),
        acknowledge,
    ),
    "payment_reversed": (pay, write_off, cancel, acknowledge),
    "refund": (withdraw_refund,),
    "refund_by_hand": (refund_by_hand, withdraw_refund),
    "refund_held": (refund_all_the_same, refund_by_hand, withdraw_refund),
    "no_supply": (import_data("an offer of the SKU"), retry, give_up, cancel),
    "purchase_approval": (show_purchases,),
    "no_offer": (import_data("an offer of the SKU"), retry),
    "no_location": (import_data("locations.csv"), retry),
    "customer_unknown": (import_data("the customer"), *_CORRECT),
    "sku_unknown": (import_data("the product"), *_CORRECT),
    "nothing_imported": (import_data("the products"), *_CORRECT),
    "tax_rate_unknown": (import_data("the rate"), *_CORRECT),
    "not_sold": (import_data("the product as sold"), *_CORRECT),
    "order_unknown": (retry,),
    "no_quote": (change_carrier, resolve_booking, *_CORRECT),
    "sscc_exhausted": (import_data("company.csv with a shorter prefix"), retry),
    "shipment_exception": (reship, refund_shipment, deliver, keep_waiting),
    "shipment_silent": (report, deliver, keep_waiting),
    "not_collected": (deliver, cancel, keep_waiting),
    "came_back_after_all": (recover, acknowledge),
    "changed_too_late": (acknowledge,),
    "arrived_after_all": (recover, acknowledge),
    "called_back_in_vain": (recover, acknowledge),
    "return_exception": (lost_return, receive_return, close_return, keep_waiting),
    "return_silent": (receive_return, lost_return, close_return, keep_waiting),
    "partner_unavailable": (retry, *_BY_HAND, cancel),
    "partner_refused": (retry, *_BY_HAND, cancel),
    "booked_by_hand": (acknowledge,),
    "template_broken": (retry, resolve_mail),
    "unprintable_characters": (retry, cancel),
    "workflow_ended": (place_again,),
    "workflow_fails": (
        offer("status {order_id}", "shows its history; deploy a worker whose code replays it"),
    ),
    "books_differ": (offer("findings", "lists the differences"),),
    "mail_refused": (import_data("the customer's mail address"), retry),
}
"""What an operator may do about each attention, the usual one first; others are tried again.

`refund`: a refund that the provider hasn't paid yet.
"""


def actions_for(code: str, target: Target) -> tuple[Action, ...]:
    """List what an operator may do about an attention; an unknown code can be tried again."""
    offers = OFFERS.get(code, (retry, *_BY_HAND, cancel))
    return tuple(offer(target) for offer in offers)
