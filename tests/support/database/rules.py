"""The rules of tests that run steps on a database of their own."""

from datetime import timedelta
from decimal import Decimal

from models.approvals import ApprovalRules
from models.billing import BillingRules
from models.documents import DocumentRules
from models.messages.policy import Policy
from models.purchasing import PurchasingPolicy
from models.replenishment import ReviewPolicy
from models.returns import ReturnRules
from models.rules import Rules
from models.shipping import STANDARD_PACKAGING

RULES = Rules(
    policy=Policy(payment_deadline=60, partner_timeout=2, attention_after_attempts=2),
    billing=BillingRules(),
    purchasing=PurchasingPolicy(
        window=timedelta(0),
        acknowledge_within=timedelta(days=2),
        receipt_grace=timedelta(days=3),
        rest=timedelta(days=5),
        tolerance_ppm=100_000,
    ),
    approvals=ApprovalRules(first=False, value=None, cover_months=1_200),
    review=ReviewPolicy(
        window_days=90,
        service_level_ppm=950_000,
        order_cost=Decimal("25.00"),
        holding_cost_ppm=200_000,
    ),
    packaging=STANDARD_PACKAGING,
    returns=ReturnRules(),
    documents=DocumentRules(),
)
