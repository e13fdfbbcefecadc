"""Webhooks, signed as partners sign them."""

import base64
import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRETS = {
    name: f"whsec_{base64.b64encode(name.encode() * 4).decode()}"
    for name in ("payments", "suppliers", "carriers")
}
"""The signing secret of each partner."""
PARTNER_OF = {
    "payment.received": "payments",
    "payment.authorised": "payments",
    "payment.reversed": "payments",
    "payment.refunded": "payments",
    "payment.refund_failed": "payments",
    "payout.paid": "payments",
    "shipment.dispatched": "carriers",
    "shipment.delivered": "carriers",
    "shipment.tracked": "carriers",
    "purchase_order.acknowledged": "suppliers",
    "purchase_order.shipped": "suppliers",
    "purchase_order.invoiced": "suppliers",
    "goods.received": "suppliers",
}
"""The partner that sends each type of webhook."""


def webhook_body(type_: str, data: object) -> str:
    """Build the body of a webhook that happened now."""
    return json.dumps({"type": type_, "timestamp": datetime.now(UTC).isoformat(), "data": data})


def signed_headers(
    secret: str, body: str, webhook_id: str, at: datetime | None = None
) -> dict[str, str]:
    """Sign a webhook, sent now or `at` another time."""
    sent_at = at or datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, sent_at, body),
        "content-type": "application/json",
    }
