"""The configured rules of the business, as every transaction gets them."""

from dataclasses import dataclass

from models.billing import BillingRules
from models.messages.policy import Policy
from models.purchasing import BuyingPolicy
from models.replenishment import ReviewPolicy
from models.returns import ReturnRules
from models.shipping import Packaging


@dataclass(frozen=True)
class Rules:
    """The rules of each domain; `policy` is fixed for an order when it is recorded."""

    policy: Policy
    billing: BillingRules
    buying: BuyingPolicy
    review: ReviewPolicy
    packaging: Packaging
    returns: ReturnRules
