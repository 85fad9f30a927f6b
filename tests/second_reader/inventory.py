"""Section "The inventory": its keys and the rules that need nothing but the inventory itself."""

import re

import canonical_json
from records import (
    ascending, both, digest, distinct, false, graphic_keys, listed, name, names, not_empty, number, one_of, printable,
    record, texts, time,
)
from references import pinned, reference
from refusal import Damaged, OtherVersion, require, shown

API_VERSION = "airgap/v1"
LARGEST_METADATA = 33_554_432
LARGEST_MANIFEST = 4_194_304
MOST_BLOBS = 250_000
MOST_EVIDENCE = 10_000
LARGEST_SIZE = 2**53 - 1
# What each blob adds to the sum of sizes: its header and padding.
AROUND_A_BLOB = 1_024

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

# A part of a platform, of those that were asked for and of those that are offered.
PLATFORM_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def platform(value, what):
    """`os/arch` or `os/arch/variant`."""
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) not in (2, 3) or not all(PLATFORM_PART.fullmatch(part) for part in parts):
        raise Damaged(f"{what}: found {shown(value)}, wanted os/arch or os/arch/variant")
    return value


def legacy_tag(value, what):
    """`sha256-<hex of the subject>` and `.sig`, `.att` or `.sbom`."""
    if "tag" in value:
        stem = "sha256-" + value["subject"].removeprefix("sha256:")
        one_of(stem + ".sig", stem + ".att", stem + ".sbom")(value["tag"], f"{what}.tag")
    return value


def one_tag_each(pieces, what):
    tags = [piece["tag"] for piece in pieces if "tag" in piece]
    require(len(set(tags)) == len(tags), f"{what}: found two pieces under one tag")
    return pieces


size = number(0, LARGEST_SIZE)
manifest_type = one_of(*MANIFESTS, *INDEXES)
manifest_size = number(0, LARGEST_MANIFEST)
annotations = both(texts, graphic_keys)
DESCRIPTOR = {"digest": digest, "mediaType": manifest_type, "size": manifest_size}

evidence = both(
    record({**DESCRIPTOR, "subject": digest}, {"tag": lambda value, what: value}),
    legacy_tag,
)

item = record(
    {
        "kind": one_of("artifact", "chart", "image"),
        "name": reference,
        "published": record(DESCRIPTOR),
        "source": record(DESCRIPTOR),
    },
    {
        "annotations": not_empty(annotations),
        "evidence": not_empty(both(
            listed(evidence),
            ascending(lambda piece: (piece["subject"], piece["digest"], piece.get("tag", ""))),
            one_tag_each,
        )),
        "group": name,
        "platforms": not_empty(both(listed(platform), distinct)),
        "requires": not_empty(both(listed(reference), ascending(lambda value: value))),
    },
)

INVENTORY = record(
    {
        "apiVersion": one_of(API_VERSION),
        "content": listed(record({"digest": digest, "size": size}, {"carried": false})),
        "created": time,
        "generator": printable(128),
        "items": both(
            listed(item),
            ascending(lambda value: (value["kind"], value["name"])),
        ),
        "kind": one_of("Inventory"),
        "metadata": listed(record({"digest": digest, "size": number(0, LARGEST_METADATA)})),
        "name": name,
        "serial": size,
    },
    {
        "annexOf": digest,
        "annotations": not_empty(annotations),
        "audience": names,
        "base": digest,
        "importBefore": time,
    },
)


def read(data: bytes) -> dict:
    """Step 6: parses the inventory and holds it to its rules."""
    value = canonical_json.parse_any_spelling(data, "the inventory")
    check_version(value)
    canonical_json.check_spelling(value, data, "the inventory")
    INVENTORY(value, "the inventory")
    check_times(value)
    check_blobs(value)
    check_items(value["items"])
    return value


def check_version(value) -> None:
    """Comes before every other key and the spelling, since another version of the page may have others."""
    version = value.get("apiVersion") if isinstance(value, dict) else None
    if not isinstance(version, str):
        raise Damaged("the inventory: found no apiVersion, wanted it")
    if version != API_VERSION:
        raise OtherVersion(f"the inventory: found apiVersion {shown(version)}, wanted {API_VERSION}")


def check_times(value) -> None:
    serial = int(re.sub("[^0-9]", "", value["created"]))
    require(value["serial"] == serial, f"the inventory's serial: found {value['serial']}, wanted {serial}")
    if "importBefore" in value:
        later = value["importBefore"] > value["created"]
        require(later, "the inventory's importBefore: found it no later than created")


def check_blobs(value) -> None:
    blobs = value["metadata"] + value["content"]
    require(len(blobs) <= MOST_BLOBS, f"the inventory: found {len(blobs)} blobs, wanted at most {MOST_BLOBS}")
    require(len({blob["digest"] for blob in blobs}) == len(blobs), "the inventory: found a blob twice")
    total = sum(blob["size"] + AROUND_A_BLOB for blob in blobs)
    require(total <= LARGEST_SIZE, f"the inventory: found {total} bytes of blobs, wanted less than 2^53")
    if not all(carried(blob) for blob in blobs):
        require("base" in value, "the inventory: found a blob that is not carried and no base")


def carried(blob: dict) -> bool:
    return blob.get("carried", True)


def check_items(items) -> None:
    found = {item["name"] for item in items}
    require(len(found) == len(items), "the inventory: found a name of an item twice")
    for item in items:
        for wanted in item.get("requires", []):
            other = wanted in found and wanted != item["name"]
            require(other, f"{item['name']}: found that it requires {wanted}, wanted the name of another item")
        evidence = len(item.get("evidence", []))
        require(evidence <= MOST_EVIDENCE,
                f"{item['name']}: found {evidence} pieces of evidence, wanted at most {MOST_EVIDENCE}")
        check_source(item)


def check_source(item) -> None:
    """What is published is what the name pointed to, or what the platforms rule makes of it."""
    source, published = item["source"], item["published"]
    selected = source["digest"] != published["digest"]
    require(selected or source == published, f"{item['name']}: found one manifest with two descriptors")
    require(selected == ("platforms" in item),
            f"{item['name']}: wanted platforms exactly where published differs from source")
    require(not selected or source["mediaType"] in INDEXES, f"{item['name']}: found platforms of no index")
    require(pinned(item["name"]) in (None, source["digest"]),
            f"{item['name']}: found source {source['digest']}, wanted the digest in the name")
