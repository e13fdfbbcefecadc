"""Serial shipping container codes (SSCC): the GS1 numbers of packages."""

from stdnum.ean import calc_check_digit

_PREFIX_DIGITS = range(7, 11)
_PREFIX_AND_SERIAL_DIGITS = 16


def sscc(company_prefix: str, serial: int, extension: int = 0) -> str:
    """Build the 18 digits: extension, company prefix, zero-filled serial reference, check digit.

    Prefix and serial share 16 digits (GS1 General Specifications, 3.3.1). Raises ValueError for a
    prefix that isn't 7 to 10 digits, an extension of more than one digit, or a serial too long.
    """
    prefix = company_prefix
    if not (prefix.isascii() and prefix.isdigit() and len(prefix) in _PREFIX_DIGITS):
        raise ValueError(f"{prefix!r} is not a GS1 company prefix of 7 to 10 digits")
    if not 0 <= extension <= 9:
        raise ValueError(f"{extension} is not an SSCC's extension: it is one digit, 0 to 9")
    digits = _PREFIX_AND_SERIAL_DIGITS - len(prefix)
    if not 0 <= serial < 10**digits:
        raise ValueError(
            f"{serial} doesn't fit: the company prefix {prefix} leaves {digits} digits for serials"
        )
    number = f"{extension}{prefix}{serial:0{digits}}"
    return number + str(calc_check_digit(number))
