"""The configured rules of the business, part of every unit of work."""

from dataclasses import dataclass

from models.approvals import ApprovalRules
from models.billing import BillingRules
from models.documents import DocumentRules
from models.messages.policy import Policy
from models.purchasing import PurchasingPolicy
from models.replenishment import ReviewPolicy
from models.returns import ReturnRules
from models.shipping import Packaging


@dataclass(frozen=True)
class Rules:
    """The rules of each domain. An order keeps the `policy` with which it was recorded."""

    policy: Policy
    billing: BillingRules
    purchasing: PurchasingPolicy
    approvals: ApprovalRules
    review: ReviewPolicy
    packaging: Packaging
    returns: ReturnRules
    documents: DocumentRules
