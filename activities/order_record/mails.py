"""Mails that need not be sent, as an operator informed the customer."""


def informed_by_hand(kind: str, key: str) -> str:
    """Return the id under which a mail is recorded that an operator replaced."""
    return f"by-hand:{kind}.{key}"
