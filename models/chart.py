"""The chart of accounts: which account a person means."""

from collections.abc import Collection

from models.errors import NotFound
from models.ledger import account_named
from models.views.ledger import AccountView


def find_account(chart: Collection[AccountView], given: str) -> AccountView:
    """By number, code, role, or title. A number is what is shown, so it goes before the code of
    another account.

    Raises NotFound, also for a title that several have.
    """
    for account in chart:
        if account.account == given:
            return account
    if named := account_named(given):
        return next(account for account in chart if account.code == named)
    titled = [a for a in chart if a.title.casefold() == given.strip().casefold()]
    if len(titled) == 1:
        return titled[0]
    problem = "several accounts are called" if titled else "there is no account"
    hint = "`starter.py ledger accounts` lists them"
    raise NotFound("account_unknown", f"{problem} {given!r}: {hint}")
