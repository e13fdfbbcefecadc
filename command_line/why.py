"""Why: what an order, shipment, return or purchase order waits for."""

from typing import Annotated

import typer
from rich.text import Text

from command_line.context import OpenContext
from command_line.output import Json, print_line, show_view
from command_line.tables import out
from models.views.why import Explanation, Wait, in_words

Subject = Annotated[
    str, typer.Argument(metavar="ID", help="An order, shipment, return or purchase order.")
]


def add_why(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the command that explains what waits."""

    @app.command()
    def why(id_: Subject, as_json: Json = False) -> None:
        """Explain what an order waits for, who acts next, and what an operator may do."""
        explanation = open_context().with_intake(lambda intake: intake.why(id_))
        show_view(explanation, as_json, print_explanation)


def print_explanation(explanation: Explanation) -> None:
    """Print what is waited for, with lines to paste."""
    print_line(f"{explanation.subject}: {explanation.state.replace('_', ' ')}")
    if not explanation.waits:
        print_line("It waits for nothing.")
    for wait in explanation.waits:
        _print_wait(wait, explanation.subject)


def _print_wait(wait: Wait, subject: str) -> None:
    about = "" if wait.subject == subject else f"{wait.subject}: "
    reason = f" ({wait.code}): {about}{wait.reason}"
    out.print()
    out.print(Text.assemble((wait.who, "yellow"), reason), soft_wrap=True)
    times = [
        f"{word} {in_words(moment)}"
        for word, moment in (("since", wait.since), ("until", wait.until))
        if moment is not None
    ]
    if times:
        print_line(f"  {', '.join(times)}")
    print_line(f"  then: {wait.then}")
    for action in wait.actions:
        print_line(f"  {action.command}\n      {action.effect}")
