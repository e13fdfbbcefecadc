"""Explain what an order waits for: one pure function for API, CLI and the Temporal UI.

docs/waits.md lists all waits; its table is tested against this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from models.messages.attention import NO_SUPPLY, OpenAttention
from models.operator_actions import (
    REASON,
    Offer,
    Target,
    accept_delay,
    act,
    actions_for,
    amend,
    authorise_return,
    cancel,
    change_address,
    change_carrier,
    close_return,
    deliver,
    give_up,
    inspect_return,
    pause,
    pay,
    receive_return,
    reject_return,
    report,
    resume,
    retry,
    retry_supply,
    split,
    withdraw_refund,
    write_off,
)
from models.orders import Fulfilment
from models.progress import (
    FINAL_STAGES,
    PAUSED,
    Progress,
    ShipmentProgress,
    ShipmentState,
    Stage,
    stage,
)
from models.refunds import RefundState
from models.returns import ReturnState
from models.situation import OpenRefund, OpenReturn, Retrying, Situation, Supply, amount_of
from models.views.why import Action, Explanation, Owner, Wait


def explain(situation: Situation) -> Explanation:
    """Explain what an order waits for."""
    progress = situation.progress
    now_in = stage(progress) if progress else Stage.RECEIVED
    attentions = [_attention(situation, each) for each in situation.attentions]
    waits = [
        *_pause(situation),
        *attentions,
        *(_retrying(situation, each) for each in situation.retrying),
        *_unless_paused(situation, _of_stage(situation, now_in)),
        *(_refund(situation, each) for each in situation.refunds),
        *(wait for each in situation.returns for wait in _return(situation, each)),
    ]
    return Explanation(subject=situation.order_id, state=now_in.value, waits=tuple(waits))


def _pause(situation: Situation) -> Iterator[Wait]:
    """Explain the pause of an order."""
    progress = situation.progress
    if progress is None or progress.pause is None or not progress.is_paused:
        return
    yield Wait(
        code=PAUSED,
        subject=situation.order_id,
        reason=f"paused by {progress.pause.by}: {progress.pause.reason}",
        owner=Owner.OPERATOR,
        since=progress.pause.since,
        then="payments, goods and reports are recorded, and nothing else until it is resumed",
        actions=(resume(situation.target), cancel(situation.target)),
    )


def _unless_paused(situation: Situation, waits: Iterator[Wait]) -> Iterator[Wait]:
    """Yield the waits of a stage. A paused order waits for others, and then to be resumed."""
    is_paused = situation.progress is not None and situation.progress.is_paused
    for wait in waits:
        if not is_paused:
            yield wait
        elif wait.owner is not Owner.PIPELINE:
            then = "it is recorded, and the order goes on once it is resumed"
            yield wait.model_copy(update={"then": then})


def of_subject(explanation: Explanation, subject: str, state: str) -> Explanation:
    """Keep what a part of an order waits for: a shipment, a return or a refund."""
    waits = tuple(wait for wait in explanation.waits if wait.subject == subject)
    return Explanation(subject=subject, state=state, waits=waits)


def _attention(situation: Situation, open_: OpenAttention) -> Wait:
    attention = open_.attention
    subject = attention.subject or situation.order_id
    target = replace(situation.target, subject=subject)
    return Wait(
        code=attention.code,
        subject=subject,
        reason=attention.message,
        owner=Owner.OPERATOR,
        since=open_.since,
        then="nothing, until an operator decides or its cause is gone",
        actions=actions_for(attention.code, target),
    )


def _retrying(situation: Situation, call: Retrying) -> Wait:
    policy = situation.policy
    return Wait(
        code="retrying",
        subject=situation.order_id,
        reason=f"{call.summary} failed {_times(call.attempts)}: {call.error}",
        owner=Owner.PIPELINE,
        until=call.next_at,
        then=f"it is tried again; after {policy.attention_after:g} s, or "
        f"{policy.attention_after_attempts} attempts at a partner, an operator is asked to look",
        actions=(retry(situation.target),),
    )


def _of_stage(situation: Situation, now_in: Stage) -> Iterator[Wait]:
    """Yield what the order waits for in its stage, apart from attentions."""
    progress = situation.progress
    if progress is None or now_in is Stage.RECEIVED:
        yield from _recording(situation)
        return
    if now_in is Stage.CANCELLING:
        yield _undo(situation, progress)
    if now_in in (*FINAL_STAGES, Stage.CANCELLING):
        return
    if progress.backordered:
        yield from _shortages(situation, progress)
    if now_in is Stage.DISPATCHING and progress.held and progress.may_consign:
        yield _packing(situation, progress)
    for shipment in progress.shipments:
        yield from _shipment(situation, progress, shipment)
    if progress.due_minor:
        yield from _payment(situation, progress, now_in)


def _recording(situation: Situation) -> Iterator[Wait]:
    if situation.attentions or situation.retrying:
        return
    yield Wait(
        code="recording",
        subject=situation.order_id,
        reason="the order is being recorded, and its stock reserved",
        owner=Owner.PIPELINE,
        since=situation.since,
        then="it goes on within seconds while a worker runs",
    )


def _payment(situation: Situation, progress: Progress, now_in: Stage) -> Iterator[Wait]:
    """Yield the wait for a payment: before the goods, or on credit."""
    target = situation.target
    if now_in is Stage.AWAITING_PAYMENT:
        deadline = timedelta(seconds=situation.policy.payment_deadline)
        until = progress.pay_by or (situation.since and situation.since + deadline)
        what = "authorised the card for" if progress.captured_later else "paid"
        yield Wait(
            code="payment",
            subject=situation.order_id,
            reason=f"the customer has not {what} {target.due}",
            owner=Owner.CUSTOMER,
            since=situation.since,
            until=until,
            then="the order is cancelled, and its stock released",
            actions=(pay(target), *_amending(progress, target), cancel(target)),
        )
    elif progress.invoices and progress.receivable_minor and not progress.captured_later:
        owed = amount_of(progress, progress.receivable_minor)
        word = "invoice" if len(progress.invoices) == 1 else "invoices"
        names = f"{word} {', '.join(progress.invoices)}"
        yield Wait(
            code="receivable",
            subject=situation.order_id,
            reason=f"{owed} of {names} is not paid",
            owner=Owner.CUSTOMER,
            since=situation.since if now_in is Stage.DELIVERED else None,
            until=situation.due_on,
            then="reminders are mailed",
            actions=(pay(target), write_off(target)),
        )


def _shortages(situation: Situation, progress: Progress) -> Iterator[Wait]:
    target = situation.target
    if progress.consent_by is not None:
        consequence = "the missing units are" if progress.goods_left else "the order is"
        yield Wait(
            code="consent",
            subject=situation.order_id,
            reason="the customer has not accepted the delay",
            owner=Owner.CUSTOMER,
            until=progress.consent_by,
            then=f"{consequence} cancelled",
            actions=(accept_delay(target), cancel(target)),
        )
    if not situation.supplies and not _has(situation, NO_SUPPLY):
        expected = progress.expected_date
        yield Wait(
            code="goods",
            subject=situation.order_id,
            reason=f"{progress.backordered} of {progress.ordered} units are backordered",
            owner=Owner.SUPPLIER,
            since=situation.since,
            until=expected,
            then="they are reserved for the order when they arrive",
            actions=(retry_supply(target), *_without_rest(progress, target), cancel(target)),
        )
    for supply in situation.supplies:
        if supply.po_id or not _has(situation, NO_SUPPLY):
            yield _supply(situation, supply)


def _amending(progress: Progress, target: Target) -> tuple[Action, ...]:
    """Offer to amend an order that is not billed."""
    return () if progress.invoices or progress.received_minor else (amend(target),)


def _without_rest(progress: Progress | None, target: Target) -> Iterator[Action]:
    """Offer to send what is there now, and to give a line up whose price was invoiced."""
    if progress is None:
        return
    if progress.held and not progress.in_parts:
        yield split(target)
    if progress.invoices and progress.backordered < progress.ordered:
        yield give_up(target)


def _supply(situation: Situation, supply: Supply) -> Wait:
    """Explain the wait for units of one SKU."""
    target, units = situation.target, f"{supply.quantity} x {supply.sku}"
    if supply.is_proposed:
        key = f"{supply.sku} {supply.location}"
        return Wait(
            code="purchase_approval",
            subject=situation.order_id,
            reason=f"the purchase of {units} for {supply.location} waits for approval",
            owner=Owner.OPERATOR,
            since=situation.since,
            then="nothing, until an operator approves or rejects it",
            actions=(
                act("purchase-proposals", "shows its supplier and cost"),
                act(f"stock approve-purchase {key} {REASON}", "sends the purchase order"),
                act(f"stock reject-purchase {key} {REASON}", "buys nothing; the order waits on"),
            ),
        )
    if supply.po_id is None:
        return Wait(
            code="purchase",
            subject=situation.order_id,
            reason=f"{units} are short at {supply.location}, and not purchased yet",
            owner=Owner.PIPELINE,
            since=situation.since,
            then="they are purchased from the best offer; without one an operator is asked",
            actions=(retry_supply(target), cancel(target)),
        )
    return Wait(
        code="goods",
        subject=situation.order_id,
        reason=f"{units} are on purchase order {supply.po_id}",
        owner=Owner.SUPPLIER,
        name=supply.supplier or "",
        since=situation.since,
        until=supply.expected_date,
        then=f"they are reserved for the order when they arrive at {supply.location}; if they are "
        "late the customer gets a new date",
        actions=(
            act(f"receive {supply.po_id} {supply.sku} QUANTITY", "records goods that arrived"),
            act(f"reassign-supplier {supply.po_id} {REASON}", "buys them from another supplier"),
            *_without_rest(situation.progress, target),
            cancel(target),
        ),
    )


def _packing(situation: Situation, progress: Progress) -> Wait:
    return Wait(
        code="packing",
        subject=situation.order_id,
        reason=f"{progress.held} units are reserved, and being packed into shipments",
        owner=Owner.PIPELINE,
        since=situation.since,
        then="a carrier is chosen and booked",
    )


def _shipment(
    situation: Situation, progress: Progress, shipment: ShipmentProgress
) -> Iterator[Wait]:
    """Yield the wait of a shipment that is under way, unless an attention is about it."""
    target = replace(situation.target, subject=shipment.shipment_id)
    if any(each.attention.subject == target.subject for each in situation.attentions):
        return
    match shipment.state:
        case ShipmentState.PLANNED:
            yield _planned(situation, progress, shipment, target)
        case ShipmentState.BOOKED | ShipmentState.DISPATCHED:
            yield _under_way(situation, shipment, target)


def _planned(
    situation: Situation, progress: Progress, shipment: ShipmentProgress, target: Target
) -> Wait:
    """Explain a shipment that no carrier has confirmed."""
    owner, until = Owner.PIPELINE, shipment.book_from
    offers: tuple[Offer, ...] = (cancel,)
    if shipment.called_back_by:
        code, reason = "recall", "the carrier is being asked to give it back"
        then = "it is given back, or goes on if the carrier has it"
    elif progress.fulfilment is Fulfilment.PICK_UP:
        code, reason, owner = "collection", "the customer has not collected it", Owner.CUSTOMER
        until = shipment.planned_at + timedelta(seconds=situation.policy.collect_within)
        then, offers = "an operator is asked", (deliver, cancel)
    elif not progress.secured:
        code, reason, owner = "payment", "it leaves when the payment is secured", Owner.CUSTOMER
        then = "a carrier is booked as soon as the payment is secured"
    elif progress.fulfilment is Fulfilment.COUNTER:
        code, reason = "hand_over", "it is being handed over at the counter"
        then = "it is handed over within seconds while a worker runs"
    elif until is not None:
        code, reason = "opening", "its location hands goods over from then on"
        then, offers = "a carrier is booked", (change_address, change_carrier, cancel)
    else:
        code, reason = "booking", "a carrier is being booked"
        then = "it is booked within seconds; a carrier that doesn't answer is asked again"
        offers = (change_address, change_carrier, pause, cancel)
    return Wait(
        code=code,
        subject=shipment.shipment_id,
        reason=reason,
        owner=owner,
        since=shipment.planned_at,
        until=until,
        then=then,
        actions=tuple(offer(target) for offer in offers),
    )


def _under_way(situation: Situation, shipment: ShipmentProgress, target: Target) -> Wait:
    """Explain a shipment that its carrier is to pick up or to deliver."""
    silence = timedelta(seconds=situation.policy.silence_of(shipment.mode))
    is_booked = shipment.state is ShipmentState.BOOKED
    return Wait(
        code="pick_up" if is_booked else "delivery",
        subject=shipment.shipment_id,
        reason="the carrier has not picked it up" if is_booked else "it is not delivered yet",
        owner=Owner.CARRIER,
        name=situation.carriers.get(shipment.shipment_id, ""),
        since=shipment.news_at or shipment.planned_at,
        until=shipment.news_at and shipment.news_at + silence,
        then="without news of the carrier until then, an operator is asked",
        actions=(report(target), change_address(target), change_carrier(target), cancel(target))
        if is_booked
        else (deliver(target), report(target)),
    )


def _undo(situation: Situation, progress: Progress) -> Wait:
    owed = progress.refund_due_minor
    refund = f"; {amount_of(progress, owed)} is still to be refunded" if owed else ""
    return Wait(
        code="undo",
        subject=situation.order_id,
        reason=f"its phases are being undone{refund}",
        owner=Owner.PIPELINE,
        since=situation.since,
        then="bookings are cancelled, stock is released, and payments are refunded",
        actions=(retry(situation.target),),
    )


def _refund(situation: Situation, refund: OpenRefund) -> Wait:
    target = situation.target
    is_held, by_hand = refund.state is RefundState.HELD, refund.paid_by.by_hand
    if is_held:
        code, owner = "refund_held", Owner.OPERATOR
        then = "nothing, until an operator decides: its payment was reversed, or it failed"
    elif by_hand:
        code, owner = "refund_by_hand", Owner.OPERATOR
        then = "nothing, until an operator pays it and records it"
    else:
        code, owner = "refund", Owner.PROVIDER
        then = "the provider is asked until it answers"
    return Wait(
        code=code,
        subject=f"{situation.order_id} refund {refund.number}",
        reason=f"{refund.amount} of payment {refund.payment_id} is to be refunded {refund.paid_by}",
        owner=owner,
        since=refund.asked_at,
        then=then,
        actions=actions_for(code, target)
        if owner is Owner.OPERATOR
        else (withdraw_refund(target),),
    )


def _return(situation: Situation, open_: OpenReturn) -> Iterator[Wait]:
    target = replace(situation.target, subject=open_.return_id)
    if any(each.attention.subject == target.subject for each in situation.attentions):
        return
    reason, owner, then, actions = _RETURNS[open_.state]
    silence = timedelta(seconds=situation.policy.tracking_silence)
    in_transit = open_.state is ReturnState.IN_TRANSIT
    yield Wait(
        code=f"return_{open_.state.value}",
        subject=open_.return_id,
        reason=reason,
        owner=owner,
        since=open_.since,
        until=(open_.news_at and open_.news_at + silence) if in_transit else open_.expires_at,
        then=then,
        actions=tuple(offer(target) for offer in actions),
    )


def _has(situation: Situation, code: str) -> bool:
    return any(each.attention.code == code for each in situation.attentions)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


_RETURNS: Mapping[ReturnState, tuple[str, Owner, str, Sequence[Offer]]] = {
    ReturnState.REQUESTED: (
        "the customer asks to send goods back",
        Owner.OPERATOR,
        "nothing, until an operator authorises or rejects it",
        (authorise_return, reject_return),
    ),
    ReturnState.AUTHORISED: (
        "the customer has not sent the goods",
        Owner.CUSTOMER,
        "the authorisation expires",
        (receive_return, close_return),
    ),
    ReturnState.IN_TRANSIT: (
        "the goods are on their way back",
        Owner.CARRIER,
        "without news of the carrier until then, an operator is asked",
        (receive_return, close_return),
    ),
    ReturnState.RECEIVED: (
        "the goods are here, and not inspected",
        Owner.OPERATOR,
        "nothing, until the inspection is recorded",
        (inspect_return,),
    ),
}
"""What a return waits for: reason, owner, what happens by itself, commands."""
