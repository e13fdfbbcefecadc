"""Subscriptions to events over HTTP."""

from fastapi import APIRouter, Request

from activities.database.engine import Database
from activities.events import subscriptions
from api.bodies import Limit, body_of, described
from api.problems import PROBLEMS
from intake import Intake
from models.subscriptions import SubscriptionDocument
from models.views.subscriptions import DeadLetterView, NewSecretView, SubscriptionView

DOCUMENT = described(SubscriptionDocument)


def subscriptions_router(intake: Intake, database: Database, private: bool) -> APIRouter:
    """Build the routes of subscriptions. `private`: private addresses are allowed."""
    router = APIRouter(prefix="/subscriptions")

    @router.post("", status_code=201, responses=PROBLEMS, openapi_extra=DOCUMENT)
    async def subscribe(request: Request) -> NewSecretView:
        """Create a subscription: events are posted to its address. `secret` is shown once."""
        return await intake.subscribe(await body_of(request, SubscriptionDocument), private)

    @router.get("")
    async def list_subscriptions() -> list[SubscriptionView]:
        """List subscriptions by id, also removed ones."""
        return await database.read_async(subscriptions.list_subscriptions)

    @router.get("/{subscription_id}")
    async def show_subscription(subscription_id: str) -> SubscriptionView:
        """Show a subscription: how far it got, and whether its receiver fails."""
        return await intake.subscription(subscription_id)

    @router.post("/{subscription_id}/pause", responses=PROBLEMS)
    async def pause(subscription_id: str) -> SubscriptionView:
        """Stop deliveries until they are resumed; events stay in the feed."""
        return await intake.pause_subscription(subscription_id)

    @router.post("/{subscription_id}/resume", responses=PROBLEMS)
    async def resume(subscription_id: str) -> SubscriptionView:
        """Deliver again at once, also to a receiver that failed."""
        return await intake.resume_subscription(subscription_id)

    @router.post("/{subscription_id}/rotation", responses=PROBLEMS)
    async def rotate(subscription_id: str) -> NewSecretView:
        """Give it a new secret, shown once; for 24 hours the old one signs, too."""
        return await intake.rotate_secret(subscription_id)

    @router.post("/{subscription_id}/removal", responses=PROBLEMS)
    async def remove(subscription_id: str) -> SubscriptionView:
        """End a subscription."""
        return await intake.remove_subscription(subscription_id)

    @router.get("/{subscription_id}/dead-letters")
    async def list_dead_letters(subscription_id: str, limit: Limit = 50) -> list[DeadLetterView]:
        """List the events that the receiver refused, the oldest first."""
        return await database.read_async(
            lambda s: subscriptions.dead_letters(s, subscription_id, limit)
        )

    @router.post("/{subscription_id}/dead-letters/resend", responses=PROBLEMS)
    async def resend(subscription_id: str, event: int | None = None) -> SubscriptionView:
        """Send dead letters again: the one of an event, or all."""
        return await intake.resend_letters(subscription_id, event)

    return router
