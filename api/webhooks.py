"""Webhooks of partners: signed facts, per Standard Webhooks."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from pydantic import JsonValue
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.responses import Response

from api.problems import problem
from intake import Intake
from models.errors import FieldError, InvalidInput
from models.json_text import parse_json

PARTNER_TYPES = {
    "payments": (
        "payment.received",
        "payment.authorised",
        "payment.reversed",
        "payment.refunded",
        "payment.refund_failed",
        "payout.paid",
    ),
    "carriers": ("shipment.dispatched", "shipment.delivered", "shipment.tracked"),
    "suppliers": (
        "purchase_order.acknowledged",
        "purchase_order.shipped",
        "purchase_order.invoiced",
        "goods.received",
    ),
}
"""The facts that each partner may report."""
MAX_ID = 256
"""Characters of a `webhook-id`."""


def webhook_router(intake: Intake, secrets: Mapping[str, str]) -> APIRouter:
    """Build the route of webhooks. `secrets`: each partner's `whsec_...`, separated by spaces."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])
    verifiers = {name: [Webhook(s) for s in secrets[name].split()] for name in PARTNER_TYPES}

    @router.post("/{partner}", status_code=204)
    async def take(partner: str, request: Request) -> Response:
        """Record a signed fact and pass it to its workflow. 401: unsigned, altered or stale."""
        if partner not in PARTNER_TYPES:
            return problem(404, "partner_unknown", f"there is no partner {partner!r}")
        raw = await request.body()
        if not _signed(raw, request.headers, verifiers[partner]):
            detail = "the signature doesn't match this body, or is older than five minutes"
            return problem(401, "signature_invalid", detail)
        type_, data = _parse(partner, parse_json(raw))
        await intake.record_fact(partner, request.headers["webhook-id"], type_, data)
        return Response(status_code=204)

    return router


def _signed(raw: bytes, headers: Mapping[str, str], verifiers: Sequence[Webhook]) -> bool:
    """Check the signature; False also for headers and bodies that the library can't parse."""
    given = {name.lower(): value for name, value in headers.items()}
    for verifier in verifiers:
        try:
            verifier.verify(raw, given, json_parse=False)
        except (WebhookVerificationError, ValueError):
            continue
        return len(given["webhook-id"]) <= MAX_ID
    return False


def _parse(partner: str, body: JsonValue) -> tuple[str, JsonValue]:
    if not isinstance(body, dict):
        raise InvalidInput([FieldError("document", "is not an object with type and data")])
    type_ = body.get("type")
    if type_ not in PARTNER_TYPES[partner]:
        allowed = ", ".join(PARTNER_TYPES[partner])
        raise InvalidInput([FieldError("type", f"{type_!r} is none of {allowed}")])
    return str(type_), body.get("data")
