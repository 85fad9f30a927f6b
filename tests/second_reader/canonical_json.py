"""Section "Canonical JSON": RFC 8785, narrowed to whole numbers and ASCII keys."""

import json
import re

from refusal import Damaged, require, shown

DEEPEST = 64
LARGEST_NUMBER = 2**53 - 1

PRINTABLE = re.compile(r"[ -~]*")


def parse(data: bytes, what: str):
    """The value of a document that must be spelled as `write` spells it."""
    value = parse_any_spelling(data, what)
    require(nesting(value) <= DEEPEST, f"{what}: found more than {DEEPEST} levels of nesting")
    check(value, what)
    require(write(value) == data, f"{what}: found another spelling than that of RFC 8785")
    return value


def write(value) -> bytes:
    """The one spelling. With ASCII keys the order of characters is that of UTF-16 which RFC 8785 asks for,
    and the escapes of Python's encoder are those of RFC 8785."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Damaged("found half of a surrogate pair, wanted text") from error


def parse_any_spelling(data: bytes, what: str):
    """JSON as RFC 8259 has it, as manifests are written: any white space and order of keys, no key twice."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=without_duplicates,
            parse_int=whole_number,
            parse_constant=no_constant,
        )
    except Damaged as error:
        raise Damaged(f"{what}: {error}") from error
    except RecursionError as error:
        raise Damaged(f"{what}: found more than {DEEPEST} levels of nesting") from error
    except ValueError as error:
        raise Damaged(f"{what}: found {shown(str(error))}, wanted JSON in UTF-8") from error


def without_duplicates(pairs):
    found = dict(pairs)
    folded = {key.lower().replace("\u017f", "s") for key, _ in pairs}
    require(len(folded) == len(pairs), "found a key twice")
    return found


def whole_number(text: str):
    # Python refuses to convert thousands of digits; as a float such a number is no size either.
    return int(text) if len(text) <= 20 else float(text)


def no_constant(text: str):
    raise Damaged(f"found {text}, wanted a number")


def nesting(value) -> int:
    """Levels of objects and lists: `{}` has 1."""
    deepest = 0
    rest = [(value, 1)]
    while rest:
        value, level = rest.pop()
        if isinstance(value, (dict, list)):
            deepest = max(deepest, level)
            children = value.values() if isinstance(value, dict) else value
            rest.extend((child, level + 1) for child in children)
    return deepest


def check(value, what: str) -> None:
    """Numbers are integers from 0 to 2^53-1, keys are printable ASCII, nothing is null."""
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            for key in value:
                if PRINTABLE.fullmatch(key) is None:
                    raise Damaged(f"{what}: found the key {shown(key)}, wanted printable ASCII")
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, (bool, str)):
            continue
        elif type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
            raise Damaged(f"{what}: found {shown(value)}, wanted an integer from 0 to 2^53-1")
