"""Section "The inventory": what a reference is, `host[:port]/path[:tag][@digest]`."""

import ipaddress
import re

from refusal import Damaged, require, shown

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?P<host>[^/]*)/(?P<path>{COMPONENT}(?:/{COMPONENT})*)"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[1-9][0-9]{0,4}))?")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
DIGITS = re.compile(r"[0-9]+")
IPV4_PART = re.compile(r"0|[1-9][0-9]{0,2}")

LONGEST_REFERENCE = 768
LONGEST_PATH = 255
LONGEST_NAME = 253
HIGHEST_PORT = 65_535


def reference(value, what):
    """A name in full: a host, a path, and a tag, a digest or both."""
    match = REFERENCE.fullmatch(value) if isinstance(value, str) and len(value) <= LONGEST_REFERENCE else None
    if match is None or not (match["tag"] or match["digest"]):
        raise Damaged(f"{what}: found {shown(value)}, wanted host/repository:tag or host/repository@digest")
    host, path = match["host"], match["path"]
    named = "." in host or ":" in host or host == "localhost"
    require(named and is_host(host), f"{what}: found {shown(value)}, wanted a host before the path")
    require(len(path) <= LONGEST_PATH, f"{what}: found a path of {len(path)} bytes, wanted at most {LONGEST_PATH}")
    library = host == "docker.io" and "/" not in path
    require(not library and host != "index.docker.io", f"{what}: found {shown(value)}, wanted docker.io/library/...")
    return value


def pinned(name: str) -> str | None:
    """The digest in a reference."""
    return REFERENCE.fullmatch(name)["digest"]


def is_host(text: str) -> bool:
    match = HOST.fullmatch(text)
    if match is None or match["port"] is not None and int(match["port"]) > HIGHEST_PORT:
        return False
    return is_ipv6(match["address"]) if match["name"] is None else is_name_or_ipv4(match["name"])


def is_name_or_ipv4(text: str) -> bool:
    labels = text.split(".")
    # Resolvers take a name that ends with a number for an address.
    if DIGITS.fullmatch(labels[-1]):
        return len(labels) == 4 and all(IPV4_PART.fullmatch(part) and int(part) <= 255 for part in labels)
    return len(text) <= LONGEST_NAME and all(LABEL.fullmatch(label) for label in labels)


def is_ipv6(text: str) -> bool:
    """An address as RFC 5952 spells it."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return text == (f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address))
