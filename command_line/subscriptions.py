"""Subscriptions to events."""

from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.events import subscriptions
from command_line.commands import Actor
from command_line.context import OpenContext
from command_line.output import Json, Limit, Wide, print_line, show, show_view
from command_line.tables import new_table, print_table
from models.views.subscriptions import DeadLetterView, NewSecretView, SubscriptionView

SubscriptionId = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id.")]


def add_subscriptions(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `subscriptions`."""
    group = typer.Typer(no_args_is_help=True, help="Addresses to which events are posted.")
    app.add_typer(group, name="subscriptions")

    @group.command()
    def create(
        url: Annotated[str, typer.Argument(metavar="URL", help="The address of the receiver.")],
        types: Annotated[
            list[str] | None, typer.Option("--type", help="A type of events; may be repeated.")
        ] = None,
        after: Annotated[
            int | None, typer.Option(help="Begin above this number; by default with new events.")
        ] = None,
        subscription_id: Annotated[str | None, typer.Option("--id", help="An id of yours.")] = None,
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Post events to an address from now on; shows the secret that signs them, once."""
        context = open_context()
        document: JsonValue = {
            **{"url": url, "types": [*(types or ())], "after": after, "actor": actor},
            "subscription_id": subscription_id,
        }
        private = context.settings.webhook_private_addresses
        created = context.with_intake(lambda intake: intake.subscribe(document, private))
        show_view(created, as_json, _print_secret)

    @group.command("list")
    def list_(as_json: Json = False, wide: Wide = False) -> None:
        """List subscriptions, also removed ones."""
        rows = open_context().read(subscriptions.list_subscriptions)
        show_view(rows, as_json, _print_subscriptions, wide)

    @group.command("show")
    def show_subscription(id_: SubscriptionId, as_json: Json = False) -> None:
        """Show a subscription: how far it got, and whether its receiver fails."""
        view = open_context().with_intake(lambda intake: intake.subscription(id_))
        show_view(view, as_json, _print_subscription)

    @group.command()
    def pause(id_: SubscriptionId, as_json: Json = False) -> None:
        """Stop deliveries until they are resumed."""
        view = open_context().with_intake(lambda intake: intake.pause_subscription(id_))
        show(view, as_json, f"{id_} is {view.state}")

    @group.command()
    def resume(id_: SubscriptionId, as_json: Json = False) -> None:
        """Deliver again at once, also to a receiver that failed."""
        view = open_context().with_intake(lambda intake: intake.resume_subscription(id_))
        show(view, as_json, f"{id_} is {view.state}")

    @group.command()
    def rotate(id_: SubscriptionId, as_json: Json = False) -> None:
        """Give it a new secret, shown once; for 24 hours the old one signs, too."""
        rotated = open_context().with_intake(lambda intake: intake.rotate_secret(id_))
        show_view(rotated, as_json, _print_secret)

    @group.command()
    def remove(id_: SubscriptionId, as_json: Json = False) -> None:
        """End a subscription."""
        view = open_context().with_intake(lambda intake: intake.remove_subscription(id_))
        show(view, as_json, f"{id_} is {view.state}")

    @group.command("dead-letters")
    def dead_letters(
        id_: SubscriptionId, limit: Limit = 50, as_json: Json = False, wide: Wide = False
    ) -> None:
        """List the events that the receiver refused."""
        rows = open_context().read(lambda s: subscriptions.dead_letters(s, id_, limit))
        show_view(rows, as_json, _print_letters, wide)

    @group.command()
    def resend(
        id_: SubscriptionId,
        event: Annotated[
            int | None, typer.Option(help="The number of an event; without: all.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Send dead letters again."""
        view = open_context().with_intake(lambda intake: intake.resend_letters(id_, event))
        show(view, as_json, f"they are sent again; {view.dead_letters} dead letters until then")


def _print_secret(created: NewSecretView) -> None:
    print_line(f"subscription {created.subscription.subscription_id}")
    print_line(f"secret {created.secret}")


def _print_subscription(view: SubscriptionView) -> None:
    print_line(f"{view.subscription_id} is {view.state}{f': {view.reason}' if view.reason else ''}")
    print_line(f"{view.url}: {', '.join(view.types) or 'all events'}")
    print_line(f"delivered up to event {view.delivered}, {view.dead_letters} dead letters")
    if view.failing_since is not None:
        print_line(f"failing since {view.failing_since:%Y-%m-%d %H:%M}: {view.failure}")


def _print_subscriptions(rows: Sequence[SubscriptionView]) -> None:
    table = new_table("subscription", "state", "url", "delivered", "dead letters", "failure")
    for row in rows:
        table.add_row(
            *(row.subscription_id, row.state, row.url, str(row.delivered)),
            *(str(row.dead_letters), row.failure),
        )
    print_table(table)


def _print_letters(rows: Sequence[DeadLetterView]) -> None:
    table = new_table("event", "refused", "reason")
    for row in rows:
        table.add_row(str(row.event), f"{row.refused_at:%Y-%m-%d %H:%M}", row.reason)
    print_table(table)
