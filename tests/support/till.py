"""Former module of billing's state machine: the names by which tests import it."""

from tests.support.billing.machine import Bookkeeper  # noqa: F401
from tests.support.billing.setup import BILLING_RULES, RULES, furnish  # noqa: F401
