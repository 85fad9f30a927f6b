"""Section "Platforms": what is published where some platforms of an index were selected."""

import hashlib
import json

import manifest
from refusal import Damaged, require, shown


def check(item: dict, source: bytes) -> None:
    """Holds an item with `platforms` to the rule, given the bytes of its source index."""
    what = f"{item['name']}: the platforms"
    entries = manifest.read(source, item["source"]["mediaType"], f"{item['name']}: the source").entries
    kept = [first_fit(entries, platform, what) for platform in item["platforms"]]
    published = sorted({*kept, *attestations(entries, kept)})
    require(len(published) < len(entries), f"{what}: found every entry selected, wanted the index itself")
    if len(item["platforms"]) == 1:
        entry = entries[kept[0]]
        wanted = {key: entry[key] for key in ("digest", "mediaType", "size")}
    else:
        media_type = item["source"]["mediaType"]
        wanted = described(remade(source, published, media_type), media_type)
    found = item["published"]
    require(found == wanted, f"{what}: found {found['digest']}, wanted {wanted['digest']}")


def first_fit(entries: list, platform: str, what: str) -> int:
    """The position of the first entry that the platform fits."""
    for position, entry in enumerate(entries):
        if manifest.is_manifest(entry["mediaType"]) and fits(entry.get("platform"), platform):
            return position
    raise Damaged(f"{what}: found no entry for {shown(platform)}, wanted one")


def fits(found, wanted: str) -> bool:
    """The same os and architecture; and, if a variant is asked for, the same variant."""
    if not isinstance(found, dict):
        return False
    os, architecture, variant = (wanted.split("/") + [None])[:3]
    if found.get("os") != os or found.get("architecture") != architecture:
        return False
    implied = "v8" if architecture == "arm64" else None  # arm64 and arm64/v8 are alike
    return variant is None or (found.get("variant") or implied) == variant


def attestations(entries: list, kept: list) -> list:
    """The positions of the entries that are attestations about a kept one."""
    about = {entries[position]["digest"] for position in kept}
    found = []
    for position, entry in enumerate(entries):
        notes = entry.get("annotations")
        if isinstance(notes, dict) and "vnd.docker.reference.type" in notes:
            subject = notes.get("vnd.docker.reference.digest")
            if isinstance(subject, str) and subject in about:
                found.append(position)
    return found


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
