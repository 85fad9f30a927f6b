"""Section "The walk", its last paragraphs: what a manifest or an index must look like."""

from dataclasses import dataclass

from canonical_json import folded, parse_any_spelling
from inventory import INDEXES, LARGEST_MANIFEST, LARGEST_SIZE, MANIFESTS
from records import digest, number, text, texts
from refusal import Damaged, require, shown

# Every key that means something in a manifest, a descriptor or a platform.
KEYS = (
    "annotations", "architecture", "artifactType", "config", "digest", "layers", "manifests", "mediaType", "os",
    "platform", "schemaVersion", "size", "subject", "variant",
)
FOLDED_KEYS = {folded(key) for key in KEYS}


@dataclass(frozen=True)
class Manifest:
    """A manifest has `config` and `layers`, an index has `entries`; either may have a `subject`: all descriptors."""

    config: dict | None
    layers: list
    entries: list
    subject: dict | None


def is_manifest(media_type: str) -> bool:
    """Whether this is one of the four media types that are walked."""
    return media_type in MANIFESTS or media_type in INDEXES


def read(data: bytes, media_type: str, what: str) -> Manifest:
    """Reads a manifest that was referred to by this media type."""
    require(len(data) <= LARGEST_MANIFEST, f"{what}: found {len(data)} bytes, wanted at most 4 MiB")
    value = present(parse_any_spelling(data, what), what)
    version = value.get("schemaVersion")
    require(type(version) is int and version == 2, f"{what}: found schemaVersion {shown(version)}, wanted 2")
    found = value.get("mediaType", media_type)
    require(found == media_type, f"{what}: found mediaType {shown(found)}, wanted {media_type}")
    subject = descriptor(value["subject"], f"{what}.subject") if "subject" in value else None
    check_notes(value, what)
    keys = {"config", "layers", "manifests"} & value.keys()
    if media_type in INDEXES:
        require(keys == {"manifests"}, f"{what}: found {sorted(keys)}, wanted an index")
        return Manifest(None, [], descriptors(value["manifests"], f"{what}.manifests"), subject)
    require(keys == {"config", "layers"}, f"{what}: found {sorted(keys)}, wanted a manifest")
    config = descriptor(value["config"], f"{what}.config")
    return Manifest(config, descriptors(value["layers"], f"{what}.layers"), [], subject)


def present(value, what: str) -> dict:
    """A manifest, a descriptor or a platform without the keys that are null, which count as absent."""
    require(isinstance(value, dict), f"{what}: found {shown(value)}, wanted an object")
    for key in value:
        if key not in KEYS and folded(key) in FOLDED_KEYS:
            raise Damaged(f"{what}: found the key {shown(key)}, wanted it in lower and upper case as it is known")
    return {key: element for key, element in value.items() if element is not None}


def check_notes(value: dict, what: str) -> None:
    """What manifests and descriptors may have for notes."""
    for key, check in (("artifactType", text), ("annotations", texts)):
        if key in value:
            check(value[key], f"{what}.{key}")


def descriptors(values, what: str) -> list:
    require(isinstance(values, list), f"{what}: found {shown(values)}, wanted a list")
    return [descriptor(value, f"{what}[{position}]") for position, value in enumerate(values)]


def descriptor(value, what: str) -> dict:
    """Unlike the inventory's descriptors these may have other keys as well."""
    found = present(value, what)
    digest(found.get("digest"), f"{what}.digest")
    text(found.get("mediaType"), f"{what}.mediaType")
    number(0, LARGEST_SIZE)(found.get("size"), f"{what}.size")
    check_notes(found, what)
    if "platform" in found:
        found["platform"] = platform(found["platform"], f"{what}.platform")
    return found


def platform(value, what: str) -> dict:
    found = present(value, what)
    for key in ("os", "architecture"):
        text(found.get(key), f"{what}.{key}")
    text(found.get("variant", ""), f"{what}.variant")
    return found
