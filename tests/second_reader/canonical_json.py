"""Section "Canonical JSON": RFC 8785, narrowed to whole numbers and ASCII keys."""

import json
import math
import re
import string

from refusal import Damaged, require, shown

DEEPEST = 64
LARGEST_NUMBER = 2**53 - 1

PRINTABLE = re.compile(r"[ -~]*")

# Keys that come to the same by this, and by nothing else, differ in case only.
FOLDS = str.maketrans(string.ascii_uppercase + "\u017f\u212a", string.ascii_lowercase + "sk")


def parse(data: bytes, what: str):
    """The value of a document that must be spelled as `write` spells it."""
    value = parse_any_spelling(data, what)
    check_spelling(value, data, what)
    return value


def check_spelling(value, data: bytes, what: str) -> None:
    """Refuses a document that `parse_any_spelling` read as this value and that is not in the one spelling."""
    check(value, what)
    require(write(value) == data, f"{what}: found another spelling than that of RFC 8785")


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
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=without_duplicates,
            parse_int=whole_number,
            parse_float=number_in_range,
            parse_constant=no_constant,
        )
        require(nesting(value) <= DEEPEST, f"found more than {DEEPEST} levels of nesting")
        write(value)  # finds half a surrogate pair
        return value
    except Damaged as error:
        raise Damaged(f"{what}: {error}") from error
    except RecursionError as error:
        raise Damaged(f"{what}: found more than {DEEPEST} levels of nesting") from error
    except ValueError as error:
        raise Damaged(f"{what}: found {shown(str(error))}, wanted JSON in UTF-8") from error


def without_duplicates(pairs):
    found = dict(pairs)
    require(len(found) == len(pairs), "found a key twice")
    return found


def folded(key: str) -> str:
    """The key as a reader takes it that does not tell upper from lower case, such as Go's."""
    return key.translate(FOLDS)


def whole_number(text: str):
    # Python refuses to convert thousands of digits. As a float such a number is no size either, nor is minus zero.
    return int(text) if len(text) <= 20 and text != "-0" else number_in_range(text)


def number_in_range(text: str) -> float:
    value = float(text)
    require(math.isfinite(value), f"found {shown(text)}, wanted a number in the range of a 64-bit float")
    return value


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
