"""Section "The walk", its last paragraph: what a manifest or an index must look like."""

from dataclasses import dataclass

from canonical_json import DEEPEST, nesting, parse_any_spelling
from inventory import INDEXES, LARGEST_MANIFEST, LARGEST_SIZE, MANIFESTS
from records import digest, number, text
from refusal import require, shown


@dataclass(frozen=True)
class Manifest:
    """A manifest has `config` and `layers`, an index has `entries`; either may have a `subject`. All are descriptors."""

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
    value = parse_any_spelling(data, what)
    require(nesting(value) <= DEEPEST, f"{what}: found more than {DEEPEST} levels of nesting")
    require(isinstance(value, dict), f"{what}: found {shown(value)}, wanted an object")
    version = value.get("schemaVersion")
    require(type(version) is int and version == 2, f"{what}: found schemaVersion {shown(version)}, wanted 2")
    found = value.get("mediaType", media_type)
    require(found == media_type, f"{what}: found mediaType {shown(found)}, wanted {media_type}")
    subject = descriptor(value["subject"], f"{what}.subject") if "subject" in value else None
    keys = {"config", "layers", "manifests"} & value.keys()
    if media_type in INDEXES:
        require(keys == {"manifests"}, f"{what}: found {sorted(keys)}, wanted an index")
        return Manifest(None, [], descriptors(value["manifests"], f"{what}.manifests"), subject)
    require(keys == {"config", "layers"}, f"{what}: found {sorted(keys)}, wanted a manifest")
    config = descriptor(value["config"], f"{what}.config")
    return Manifest(config, descriptors(value["layers"], f"{what}.layers"), [], subject)


def descriptors(values, what: str) -> list:
    require(isinstance(values, list), f"{what}: found {shown(values)}, wanted a list")
    return [descriptor(value, f"{what}[{position}]") for position, value in enumerate(values)]


def descriptor(value, what: str) -> dict:
    """Unlike the inventory's descriptors these may have other keys as well."""
    require(isinstance(value, dict), f"{what}: found {shown(value)}, wanted a descriptor")
    digest(value.get("digest"), f"{what}.digest")
    text(value.get("mediaType"), f"{what}.mediaType")
    number(0, LARGEST_SIZE)(value.get("size"), f"{what}.size")
    return value
