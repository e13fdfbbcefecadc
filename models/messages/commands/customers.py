"""Commands on customers: merge two records of one, and decide about a resemblance."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from models.base import Identifier
from models.messages.commands.base import CommandMessage
from models.messages.commands.interface import Argument, Cli, Route
from models.messages.commands.orders import OrderId


class CustomerCommand(CommandMessage):
    """A command on customers."""

    tag: ClassVar = "customers"


class MergeCustomers(CustomerCommand):
    """Merge a customer into another one, who gets its orders. Its id stays valid."""

    cli: ClassVar = Cli("customers merge")
    routes: ClassVar = (Route("/customers/{duplicate_id}/merge", "merge"),)

    kind: Literal["merge_customers"] = "merge_customers"
    duplicate_id: Annotated[
        Identifier, Argument("The customer that is given up.", metavar="DUPLICATE")
    ]
    customer_id: Annotated[Identifier, Argument("The customer that is kept.", metavar="KEPT")]

    @model_validator(mode="after")
    def _reject_itself(self) -> Self:
        if self.duplicate_id == self.customer_id:
            raise ValueError("customer_id: a customer can't be merged into itself")
        return self


class AcceptCustomer(CustomerCommand):
    """Accept the customer of an order that resembles a blocked one: it is another.

    All orders of the customer that wait for this go on.
    """

    cli: ClassVar = Cli("accept-customer")
    routes: ClassVar = (Route("/orders/{order_id}/customer-acceptance", "accept_customer"),)

    kind: Literal["accept_customer"] = "accept_customer"
    order_id: OrderId
