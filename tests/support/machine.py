"""Former module of the warehouse's state machine: the names by which tests import it."""

from models.ledger import Account  # noqa: F401
from tests.support.partners import Partners, Provider  # noqa: F401
from tests.support.stateful import BEGIN  # noqa: F401
from tests.support.warehouse.machine import Warehouse  # noqa: F401
from tests.support.warehouse.setup import RULES, furnish  # noqa: F401
