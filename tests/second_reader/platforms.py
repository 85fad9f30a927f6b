"""Section "Platforms": what is published where some platforms of an index were selected."""

import hashlib
import json

import manifest
from inventory import PLATFORM_PART
from refusal import Damaged, require, shown


def check(item: dict, source: bytes) -> None:
    """Holds an item with `platforms` to the rule, given the bytes of its source index."""
    what = f"{item['name']}: the platforms"
    entries = manifest.read(source, item["source"]["mediaType"], f"{item['name']}: the source").entries
    fitting = [first_fit(entries, platform, what) for platform in item["platforms"]]
    published = selected(entries, {entry["digest"] for entry in fitting})
    require(len(published) < len(entries), f"{what}: found every entry selected, wanted the index itself")
    if len(item["platforms"]) == 1:
        wanted = {key: fitting[0][key] for key in ("digest", "mediaType", "size")}
    else:
        media_type = item["source"]["mediaType"]
        wanted = described(remade(source, published, media_type), media_type)
    found = item["published"]
    require(found == wanted, f"{what}: found {found['digest']}, wanted {wanted['digest']}")


def first_fit(entries: list, platform: str, what: str) -> dict:
    """The first entry that the platform fits."""
    for entry in entries:
        if manifest.is_manifest(entry["mediaType"]) and fits(entry.get("platform"), platform):
            return entry
    raise Damaged(f"{what}: found no entry for {shown(platform)}, wanted one")


def fits(found: dict | None, wanted: str) -> bool:
    """The same os and architecture; and, if a variant is asked for, the same variant."""
    if found is None or found["os"] == "unknown":
        return False
    offered = [found["os"], found["architecture"]]
    if found.get("variant"):  # an empty one is none
        offered.append(found["variant"])
    if not all(PLATFORM_PART.fullmatch(part) for part in offered):
        return False
    asked = wanted.split("/")
    return offered[:2] == asked[:2] and (len(asked) == 2 or variant(offered) == variant(asked))


def variant(platform: list) -> str | None:
    """The variant of `os/arch[/variant]`; arm64 and arm64/v8 are alike."""
    implied = "v8" if platform[1] == "arm64" else None
    return platform[2] if len(platform) == 3 else implied


def selected(entries: list, kept: set) -> list:
    """The positions of the entries with a digest that is kept, and of the attestations about them."""
    return [
        position for position, entry in enumerate(entries)
        if entry["digest"] in kept or attested(entry) in kept
    ]


def attested(entry: dict) -> str | None:
    """The digest of what this entry is an attestation about."""
    notes = entry.get("annotations", {})
    return notes.get("vnd.docker.reference.digest") if "vnd.docker.reference.type" in notes else None


def remade(source: bytes, positions: list, media_type: str) -> bytes:
    """An index of these entries, each byte for byte as in the source."""
    texts = entry_texts(source.decode("utf-8"))
    joined = ",".join(texts[position] for position in positions)
    return f'{{"manifests":[{joined}],"mediaType":"{media_type}","schemaVersion":2}}'.encode("utf-8")


def described(data: bytes, media_type: str) -> dict:
    return {
        "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
        "mediaType": media_type,
        "size": len(data),
    }


def entry_texts(text: str) -> list:
    """The text of each element of `manifests`, in an index that was parsed before and so has no mistakes."""
    decoder = json.JSONDecoder()
    at = after_space(text, 0) + 1
    while True:
        key, at = decoder.raw_decode(text, after_space(text, at))
        at = after_space(text, after_space(text, at) + 1)  # over the colon
        if key == "manifests":
            return elements(decoder, text, at + 1)
        _, at = decoder.raw_decode(text, at)
        at = after_space(text, at) + 1  # over the comma


def elements(decoder: json.JSONDecoder, text: str, at: int) -> list:
    """The texts of a list's elements from behind its bracket on."""
    found = []
    at = after_space(text, at)
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end])
        at = after_space(text, end)
        if text[at] == ",":
            at = after_space(text, at + 1)
    return found


def after_space(text: str, at: int) -> int:
    """Where the next character stands that is no JSON white space."""
    while text[at] in " \t\n\r":
        at += 1
    return at
