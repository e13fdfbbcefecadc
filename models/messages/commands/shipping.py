"""Commands on shipments that went wrong, and on claims against their carriers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.base import LocationId, Text
from models.messages.commands.base import Amount, CommandMessage
from models.messages.commands.interface import Argument, Cli, Option, Route

ShipmentId = Annotated[Text, Argument("The shipment's id.", metavar="SHIPMENT")]
ClaimId = Annotated[Text, Argument("The claim's id: CL-...", metavar="CLAIM")]


class ShipmentCommand(CommandMessage):
    """A command on a shipment."""

    tag: ClassVar = "shipments"

    shipment_id: ShipmentId


class WriteOffShipment(ShipmentCommand):
    """A command that writes off a shipment that will not arrive.

    `claim`: the amount that the carrier owes us; absent: the cost of goods that it lost or damaged.
    """

    claim: Annotated[
        Amount | None,
        Option('The amount claimed of the carrier: "45.00"; absent: the cost of the goods.'),
    ] = None


class Reship(WriteOffShipment):
    """Resend the goods of a shipment that will not arrive."""

    cli: ClassVar = Cli("shipment reship")
    routes: ClassVar = (Route("/shipments/{shipment_id}/reship", "reship"),)

    kind: Literal["reship"] = "reship"


class RefundShipment(WriteOffShipment):
    """Refund the price of the goods of a shipment that will not arrive.

    A shipment that has not left is recalled first: its carrier is asked to cancel the pick-up.
    """

    cli: ClassVar = Cli("shipment refund")
    routes: ClassVar = (Route("/shipments/{shipment_id}/refund", "refund"),)

    kind: Literal["refund_shipment"] = "refund_shipment"


class RecoverShipment(ShipmentCommand):
    """Put the goods of a reshipped or refunded shipment into stock again.

    They are at `location`, or where they left.
    """

    cli: ClassVar = Cli("shipment recover")
    routes: ClassVar = (Route("/shipments/{shipment_id}/recovery", "recover"),)

    kind: Literal["recover_shipment"] = "recover_shipment"
    location: Annotated[
        LocationId | None, Option("The location of the goods; absent: where they left.")
    ] = None


class EndRecall(ShipmentCommand):
    """End the recall of a shipment with its carrier's answer. Internal: it follows RefundShipment,
    ChangeAddress and ChangeCarrier.

    If the carrier agreed, the shipment is cancelled and its goods are released; or, to `rebook`
    them, they stay reserved for another shipment. Otherwise the carrier delivers it.
    """

    kind: Literal["end_call_back"] = "end_call_back"
    command_id: Text
    agreed: bool = True
    rebook: Annotated[bool, Field(exclude_if=lambda rebook: not rebook)] = False


class ClaimCommand(CommandMessage):
    """A command on a claim against a carrier."""

    tag: ClassVar = "claims"


class FileClaim(ClaimCommand):
    """File a claim against the carrier of a shipment that left."""

    cli: ClassVar = Cli("claim file")
    routes: ClassVar = (Route("/shipments/{shipment_id}/claims", "file"),)

    kind: Literal["file_claim"] = "file_claim"
    shipment_id: ShipmentId
    amount: Annotated[Amount, Argument('The amount that the carrier owes us: "45.00".')]


class SettleClaim(ClaimCommand):
    """Record the carrier's payment of a claim to our bank account, and end the claim."""

    cli: ClassVar = Cli("claim settle", reason="paid")
    routes: ClassVar = (Route("/claims/{claim_id}/settlement", "settle"),)

    kind: Literal["settle_claim"] = "settle_claim"
    claim_id: ClaimId
    amount: Annotated[Amount, Argument('The amount received: "45.00".')]


class WithdrawClaim(ClaimCommand):
    """Withdraw a claim: the carrier owes nothing."""

    cli: ClassVar = Cli("claim withdraw")
    routes: ClassVar = (Route("/claims/{claim_id}/withdrawal", "withdraw"),)

    kind: Literal["withdraw_claim"] = "withdraw_claim"
    claim_id: ClaimId
