"""Labels of returns, or the reason why there is none."""

from sqlmodel import Session

from activities.returns import reading as returns_reading
from models.documents import DocumentRules, Printed
from models.errors import Refused
from models.views.returns import require_return


def return_label(session: Session, documents: DocumentRules, return_id: str) -> Printed:
    """Print the label of a return, as PDF.

    Raises NotFound, and Refused (`label_refused`) for a return that isn't authorised, or is over;
    TemplateBroken.
    """
    view = require_return(returns_reading.return_details(session, return_id), return_id)
    label = returns_reading.return_label(session, documents, return_id)
    if label is None:
        state = view.state.replace("_", " ")
        message = f"{return_id} is {state}: only a return that is authorised has a label"
        raise Refused("label_refused", message)
    return label
