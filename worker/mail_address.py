"""Addresses of mail: read once, so that none can smuggle a header or a second receiver in."""

from email.errors import MessageError
from email.headerregistry import Address
from email.policy import SMTP

_LENGTH = 254
"""RFC 5321: what fits between the brackets of a path."""


class AddressInvalid(ValueError):
    """No mail can ever reach what is written there; the message doesn't repeat it."""


def parse_address(text: str | None) -> Address:
    """An address that a mail can go to, with its domain as DNS has it.

    Raises:
        AddressInvalid: It is none.

    Example:
        >>> str(parse_address("ada@bücher.example"))
        'ada@xn--bcher-kva.example'
    """
    if not text:
        raise AddressInvalid("there is no address")
    try:
        address = Address(addr_spec=text)
        domain = address.domain.encode("idna").decode("ascii")
        parsed = Address(username=address.username, domain=domain)
        parsed.addr_spec.encode("ascii")
    except UnicodeError:
        raise AddressInvalid("the address has characters that mail servers don't take") from None
    # What is parsed is the standard library's business, and so is what its parser raises.
    except (ValueError, MessageError, IndexError):
        raise AddressInvalid("the address can't be parsed") from None
    if not parsed.username or "." not in parsed.domain.strip("."):
        raise AddressInvalid("the address is not of the form name@domain")
    if len(parsed.addr_spec) > _LENGTH or not parsed.addr_spec.isprintable():
        raise AddressInvalid("the address is too long, or has characters that can't be printed")
    return parsed


def parse_sender(text: str) -> Address:
    """A sender: an address, or a name with the address in angle brackets.

    Raises:
        AddressInvalid: It is neither.

    Example:
        >>> parse_sender("The shop <news@shop.example>").display_name
        'The shop'
    """
    if not text.isprintable():
        raise AddressInvalid("the sender has characters that can't be printed")
    header = SMTP.header_factory("From", text)
    if len(header.addresses) != 1 or header.defects:
        raise AddressInvalid("the sender is not one address, such as The shop <news@shop.example>")
    address = parse_address(header.addresses[0].addr_spec)
    return Address(header.addresses[0].display_name, address.username, address.domain)
