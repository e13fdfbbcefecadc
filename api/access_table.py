"""Which scopes may use which endpoint. The scope admin may use all of them.

docs/security.md has the same table. A test fails for an endpoint without a row.
"""

from models.access import Scope

S, P, O, A = Scope.SHOP, Scope.PARTNER, Scope.OPERATOR, Scope.AUDITOR  # noqa: E741  # short rows

OPEN = frozenset(
    {
        "GET /healthz",
        "GET /readyz",
        "GET /schemas/order",
        "GET /schemas/event",
        "POST /webhooks/{partner}",
    }
)
"""Endpoints without a token: health, schemas, and webhooks, which are signed."""

_READ = (O, A)
_READ_PATHS = (
    *("/orders/{order_id}/why", "/orders/{order_id}/audit"),
    *("/customers", "/customers/duplicates", "/customers/{customer_id}"),
    *("/stock/{sku}", "/purchase-proposals", "/offers/{sku}"),
    *("/purchase-orders", "/purchase-orders/{po_id}", "/purchase-orders/{po_id}/why"),
    *("/shipments", "/shipments/{shipment_id}", "/shipments/{shipment_id}/why"),
    *("/shipments/{shipment_id}/{kind}.pdf", "/claims", "/claims/{claim_id}"),
    *("/invoices/{number}", "/invoices/{number}/pdf", "/payments/unmatched"),
    *("/returns", "/returns/{return_id}", "/returns/{return_id}/why"),
    *("/returns/{return_id}/label.pdf", "/ledger/trial-balance", "/ledger/accounts"),
    *("/ledger/statement", "/ledger/journal", "/ledger/export", "/ledger/tax"),
    *("/receivables/ageing", "/odd-facts", "/findings", "/bulks/preview", "/bulks"),
    *("/bulks/{bulk_id}", "/bulks/{bulk_id}/outcomes", "/events", "/events/stream"),
    *("/subscriptions", "/subscriptions/{subscription_id}"),
    *("/subscriptions/{subscription_id}/dead-letters", "/metrics"),
)
_OPERATED_PATHS = (
    *("/orders/{order_id}/retry", "/replenishments", "/returns", "/bulks"),
    *("/bulks/{bulk_id}/stop", "/subscriptions", "/subscriptions/{subscription_id}/pause"),
    *("/subscriptions/{subscription_id}/resume", "/subscriptions/{subscription_id}/rotation"),
    "/subscriptions/{subscription_id}/removal",
    "/subscriptions/{subscription_id}/dead-letters/resend",
    *("/orders/{order_id}/rest-cancellation", "/orders/{order_id}/pause"),
    *("/orders/{order_id}/resume", "/orders/{order_id}/lines/given-up"),
    *("/orders/{order_id}/split", "/orders/{order_id}/address", "/orders/{order_id}/carrier"),
    *("/orders/{order_id}/lines", "/orders/{order_id}/seen-to", "/payments/{payment_id}/assign"),
    *("/orders/{order_id}/refunds", "/payments/{payment_id}/refund"),
    *("/orders/{order_id}/refunds/withdraw", "/payments/{payment_id}/refund/withdraw"),
    *("/invoices/{invoice_number}/credit-notes", "/orders/{order_id}/write-off"),
    *("/invoices/{number}/resend", "/ledger/close", "/customers/{duplicate_id}/merge"),
    *("/orders/{order_id}/customer-acceptance", "/stock/{sku}/adjustments"),
    *("/stock/{sku}/counts", "/stock/{sku}/purchases/approve", "/stock/{sku}/purchases/reject"),
    *("/stock/{sku}/transfers", "/purchase-orders/{po_id}/close"),
    *("/purchase-orders/{po_id}/reassignment", "/shipments/{shipment_id}/reship"),
    *("/shipments/{shipment_id}/refund", "/shipments/{shipment_id}/recovery"),
    *("/shipments/{shipment_id}/claims", "/claims/{claim_id}/settlement"),
    *("/claims/{claim_id}/withdrawal", "/shipments/{shipment_id}/booking"),
    *("/orders/{order_id}/payment-request", "/purchase-orders/{po_id}/sent"),
    *("/mails/{about}/informed", "/returns/{return_id}/authorisation"),
    *("/returns/{return_id}/rejection", "/returns/{return_id}/dispatch"),
    *("/returns/{return_id}/closing", "/returns/{return_id}/receipts"),
    *("/orders/{order_id}/unannounced-returns", "/returns/{return_id}/inspections"),
)
ACCESS: dict[str, tuple[Scope, ...]] = {
    "POST /orders": (S, O),
    "GET /orders": (S, O, A),
    "GET /orders/{order_id}": (S, O, A),
    "GET /orders/{order_id}/invoices": (S, O, A),
    "POST /orders/{order_id}/cancellation": (S, O),
    "POST /orders/{order_id}/delay-acceptance": (S, O),
    "POST /purchase-orders/{po_id}/acknowledgements": (P, O),
    "POST /purchase-orders/{po_id}/receipts": (P, O),
    "POST /shipments/{shipment_id}/events": (P, O),
    "POST /imports": (),
    "POST /imports/{file}": (),
    **{f"GET {path}": _READ for path in _READ_PATHS},
    **{f"POST {path}": (O,) for path in _OPERATED_PATHS},
}
"""The scopes of an endpoint, besides admin."""
