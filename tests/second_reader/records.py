"""Closed records: what each value in an inventory or payload may look like. Every check takes the value and
its place, refuses what does not fit, and gives the value back."""

import re
from datetime import datetime

from canonical_json import PRINTABLE
from refusal import Damaged, require, shown

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
GRAPHIC = re.compile(r"[!-~]+")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def record(required, optional=()):
    """An object with these keys and no other."""
    checks = dict(required, **dict(optional))

    def checked(value, what):
        if not isinstance(value, dict):
            raise Damaged(f"{what}: found {shown(value)}, wanted an object")
        for key in value:
            if key not in checks:
                raise Damaged(f"{what}: found the unknown key {shown(key)}")
        for key in required:
            require(key in value, f"{what}: found no {key}, wanted it")
        for key, check in checks.items():
            if key in value:
                check(value[key], f"{what}.{key}")
        return value

    return checked


def listed(check):
    """A list that may be empty, since it is always written."""

    def checked(value, what):
        if not isinstance(value, list):
            raise Damaged(f"{what}: found {shown(value)}, wanted a list")
        for position, element in enumerate(value):
            check(element, f"{what}[{position}]")
        return value

    return checked


def not_empty(check):
    """An optional list, map or text: without content it is left out."""

    def checked(value, what):
        check(value, what)
        require(len(value) > 0, f"{what}: found it empty, wanted it left out")
        return value

    return checked


def ascending(key):
    """A further rule for a list: each element comes after the one before it, so none stands twice."""

    def checked(values, what):
        for before, after in zip(values, values[1:]):
            if not key(before) < key(after):
                found = f"{shown(key(after))} after {shown(key(before))}"
                raise Damaged(f"{what}: found {found}, wanted them ascending")
        return values

    return checked


def distinct(values, what):
    """A further rule for a list of texts in any order."""
    require(len(set(values)) == len(values), f"{what}: found an element twice")
    return values


def both(*checks):
    def checked(value, what):
        for check in checks:
            check(value, what)
        return value

    return checked


def one_of(*values):
    def checked(value, what):
        if not isinstance(value, str) or value not in values:
            raise Damaged(f"{what}: found {shown(value)}, wanted one of {', '.join(values)}")
        return value

    return checked


def false(value, what):
    require(value is False, f"{what}: found {shown(value)}, wanted false or nothing")
    return value


def text(value, what):
    if not isinstance(value, str):
        raise Damaged(f"{what}: found {shown(value)}, wanted text")
    return value


def texts(value, what):
    """A map of strings."""
    if not isinstance(value, dict):
        raise Damaged(f"{what}: found {shown(value)}, wanted a map of strings")
    for key, element in value.items():
        text(element, f"{what}.{shown(key)}")
    return value


def graphic_keys(value, what):
    """A further rule for a map: its keys are at least one of 0x21 to 0x7e."""
    for key in value:
        if GRAPHIC.fullmatch(key) is None:
            raise Damaged(f"{what}: found the key {shown(key)}, wanted visible ASCII characters")
    return value


def matching(pattern, wanted):
    def checked(value, what):
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise Damaged(f"{what}: found {shown(value)}, wanted {wanted}")
        return value

    return checked


def number(lowest, highest):
    def checked(value, what):
        if type(value) is not int or not lowest <= value <= highest:
            raise Damaged(f"{what}: found {shown(value)}, wanted a number from {lowest} to {highest}")
        return value

    return checked


digest = matching(DIGEST, "sha256: and 64 lower-case hexadecimal digits")
name = matching(NAME, "a name of 1 to 63 of a-z, 0-9 and -")
names = not_empty(both(listed(name), ascending(lambda value: value)))


def printable(longest):
    """1 to `longest` printable ASCII characters."""

    def checked(value, what):
        fits = isinstance(value, str) and 1 <= len(value) <= longest
        if not fits or PRINTABLE.fullmatch(value) is None:
            raise Damaged(f"{what}: found {shown(value)}, wanted 1 to {longest} printable ASCII characters")
        return value

    return checked


def time(value, what):
    """A time that exists: there is no 30 February, and no second 60."""
    matching(TIME, "YYYY-MM-DDTHH:MM:SSZ")(value, what)
    try:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise Damaged(f"{what}: found {value}, which is no time") from error
    return value
