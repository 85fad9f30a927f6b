"""Cases of the section "Platforms"."""

import json

from archive_writer import OCI_INDEX, OCI_MANIFEST, Store, item
from cases import DAMAGED, SOUND, Case, of
from cases_manifests import DOCKER_INDEX, NAME

AMD64, ARM64, ARM, S390X = range(4)


class Source:
    """Images of one config and one layer, and indexes of them that something was selected from."""

    def __init__(self):
        self.store = Store()
        self.layer, self.config = self.store.add(b"layer"), self.store.add(b"{}")
        self.images = [self.store.manifest([self.layer], annotations={"n": str(number)}) for number in range(6)]

    def entry(self, image: int, platform: str | None = None, about: int | None = None, **more) -> dict:
        """An entry of an index, with a platform, or as an attestation about another image."""
        found = {**self.images[image], **more}
        if platform is not None:
            found["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/")))
        if about is not None:
            digest = self.images[about]["digest"]
            notes = {"vnd.docker.reference.digest": digest, "vnd.docker.reference.type": ""}
            found["annotations"] = notes
        return found

    def usual(self) -> list:
        platforms = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
        return [self.entry(image, platform) for image, platform in enumerate(platforms)]

    def case(self, name: str, verdict: int, entries: list, wanted: str, kept: int | list, media_type=OCI_INDEX) -> Case:
        """What `kept` says is published of an index of these entries: one of them, or an index of some."""
        texts = [one if isinstance(one, str) else json.dumps(one) for one in entries]
        listed = " ,\r\n".join(texts)
        source = self.add('{"annotations":{"manifests":"[{]"},\t"\\u006danifests" : [ ' + listed
                          + ' ], "schemaVersion":2}', media_type)
        values = [json.loads(text) for text in texts]
        if isinstance(kept, int):
            published, met = values[kept], [values[kept]]
        else:
            text = ",".join(texts[position] for position in kept)
            published = self.add('{"manifests":[' + text + '],"mediaType":"' + media_type + '","schemaVersion":2}',
                                 media_type)
            met = [published, *(values[position] for position in kept)]
        one = item(NAME, published, source, platforms=wanted.split())
        metadata = [source, *(one for one in met if one["mediaType"] in (OCI_MANIFEST, media_type))]
        unique = {blob["digest"]: blob for blob in metadata}
        # The config comes behind the first image.
        first = next(digest for digest, blob in unique.items() if blob["mediaType"] == OCI_MANIFEST)
        metadata = [found for digest, blob in unique.items()
                    for found in ([blob, self.config] if digest == first else [blob])]
        others = [one for one in met if one["mediaType"] not in (OCI_MANIFEST, media_type)]
        return of(name, verdict, self.store, self.store.inventory([one], metadata, [self.layer, *others]))

    def add(self, text: str, media_type: str) -> dict:
        return self.store.add(text.encode(), media_type)


def all_cases() -> list:
    return [*grammar(), *one_platform(), *several_platforms(), *attestations(), *sources()]


def grammar() -> list:
    source = Source()
    usual = source.usual()
    long = "a" * 32
    rows = (
        (SOUND, f"{long}/A.1_b-c/9", "parts of the grammar"),
        (DAMAGED, f"a{long}/b", "a part of 33 characters"),
        (DAMAGED, "linux", "a system alone"),
        (DAMAGED, "linux/", "an empty architecture"),
        (DAMAGED, "linux/arm/", "an empty variant"),
        (DAMAGED, "a/b/c/d", "four parts"),
        (DAMAGED, "_a/b", "a part with a line in front"),
        (DAMAGED, "linux/\u00e9", "a part beyond ASCII"),
        (DAMAGED, "unknown/unknown", "an unknown system"),
    )
    found = []
    for verdict, platform, name in rows:
        entries = [*usual, source.entry(4, platform)]
        found.append(source.case(f"platforms: {name}", verdict, entries, platform, 4))
    twice = source.case("platforms: one twice", DAMAGED, usual, "linux/arm linux/arm", [ARM])
    return [*found, twice]


def one_platform() -> list:
    source = Source()
    usual = source.usual()
    arm64 = [source.entry(0, "linux/amd64"), source.entry(1, "linux/arm64/v9"), source.entry(2, "linux/arm64/v8")]
    empty = [source.entry(0, "linux/arm/"), source.entry(1, "linux/arm64/"), source.entry(2, "linux/amd64")]
    odd = [source.entry(0, "linux/am d64"), source.entry(1, "linux/amd64/" + "v" * 33), source.entry(2, "linux/amd64")]
    joined = [{**source.images[0], "platform": {"os": "linux/arm", "architecture": "v7"}}, *usual[1:]]
    other = [source.entry(0, "linux/amd64", mediaType="text/plain"), source.entry(1, "linux/amd64"), source.entry(2)]
    found = {**source.images[0], "platform": {"os": "linux", "architecture": "amd64", "os.version": "10"}}
    rows = (
        (SOUND, usual, "linux/amd64", AMD64, "the one that fits"),
        (SOUND, [*usual, source.entry(4, "linux/amd64")], "linux/amd64", AMD64, "the first that fits"),
        (SOUND, usual, "linux/arm64/v8", ARM64, "a variant that goes without saying"),
        (SOUND, usual, "linux/arm", ARM, "any variant"),
        (SOUND, usual, "linux/arm/v7", ARM, "a variant"),
        (SOUND, arm64, "linux/arm64", 1, "any variant of arm64"),
        (SOUND, arm64, "linux/arm64/v8", 2, "a variant of arm64"),
        (SOUND, empty, "linux/arm", 0, "an empty variant"),
        (SOUND, empty, "linux/arm64/v8", 1, "an empty variant of arm64"),
        (SOUND, odd, "linux/amd64", 2, "platforms outside the grammar"),
        (SOUND, joined, "linux/arm/v7", ARM, "two parts of a platform in one"),
        (DAMAGED, joined, "linux/arm/v7", 0, "two parts of a platform in one, taken for it"),
        (SOUND, other, "linux/amd64", 1, "an entry that is no manifest"),
        (SOUND, [found, *usual[1:]], "linux/amd64", 0, "a version of the system"),
        (SOUND, [source.entry(0, "linux/amd64")] * 2 + usual[1:], "linux/amd64", 0, "an entry twice"),
        (DAMAGED, usual, "linux/amd64", ARM64, "another platform"),
        (DAMAGED, [*usual, source.entry(4, "linux/amd64")], "linux/amd64", 4, "the second that fits"),
        (DAMAGED, usual, "linux/riscv64", AMD64, "a platform that is not there"),
        (DAMAGED, usual, "windows/amd64", AMD64, "another system"),
        (DAMAGED, usual, "linux/arm/v6", ARM, "another variant"),
        (DAMAGED, usual, "linux/amd64/v8", AMD64, "a variant where none is offered"),
        (DAMAGED, usual, "linux/arm64/v9", ARM64, "another variant of arm64"),
        (DAMAGED, empty, "linux/arm/v7", 0, "a variant where an empty one is offered"),
        (DAMAGED, usual, "linux/amd64", [AMD64], "an index for one platform"),
        (DAMAGED, usual[:1], "linux/amd64", AMD64, "everything selected"),
        (DAMAGED, [usual[AMD64], source.entry(1, about=0)], "linux/amd64", AMD64, "everything selected or about it"),
        (DAMAGED, usual[:1] * 2, "linux/amd64", AMD64, "everything selected, as an entry stands twice"),
    )
    return [source.case(f"one platform: {name}", *row) for *row, name in rows]


def several_platforms() -> list:
    source = Source()
    usual = source.usual()
    spelled = [
        '{ "size":%(size)d, "mediaType":"%(mediaType)s", "digest":"%(digest)s", "platform":{"os":"linux",'
        '"architecture":"amd64"},"a":"]},{\\"" }' % source.images[0],
        '{"size":%(size)d,"mediaType":"%(mediaType)s","digest":"%(digest)s","n":1.50,'
        '"platform":{"architecture":"arm64","os":"\\u006cinux"}}' % source.images[1],
        *usual[2:],
    ]
    again = [usual[AMD64], source.entry(0, "linux/arm"), source.entry(1, "linux/arm64"), *usual[2:]]
    rows = (
        (SOUND, usual, "linux/amd64 linux/arm", [AMD64, ARM], "two"),
        (SOUND, usual, "linux/arm linux/amd64", [AMD64, ARM], "two, asked for the other way round"),
        (SOUND, usual, "linux/arm64 linux/arm64/v8", [ARM64], "two that are one"),
        (SOUND, spelled, "linux/amd64 linux/arm64", [0, 1], "entries as they are spelled"),
        (SOUND, again, "linux/amd64 linux/s390x", [0, 1, 4], "another entry with a digest that is kept"),
        (SOUND, [*usual[:2], *usual], "linux/amd64 linux/arm64", [0, 1, 2, 3], "each entry twice"),
        (DAMAGED, usual, "linux/amd64 linux/arm", [ARM, AMD64], "in another order"),
        (DAMAGED, usual, "linux/amd64 linux/arm", [AMD64, ARM, S390X], "with one more"),
        (DAMAGED, usual, "linux/amd64 linux/arm", [AMD64], "with one less"),
        (DAMAGED, usual, "linux/amd64 linux/arm", AMD64, "one of two alone"),
        (DAMAGED, usual, "linux/amd64 linux/riscv64", [AMD64], "one that is not there"),
        (DAMAGED, usual[:2], "linux/amd64 linux/arm64", [0, 1], "all"),
        (DAMAGED, again, "linux/amd64 linux/s390x", [0, 4], "without another entry with a digest that is kept"),
    )
    docker = source.case("several platforms: of a Docker index", SOUND, usual, "linux/amd64 linux/arm", [AMD64, ARM],
                         DOCKER_INDEX)
    return [docker, *(source.case(f"several platforms: {name}", *row) for *row, name in rows)]


def attestations() -> list:
    source = Source()
    usual, note = source.usual(), source.store.add(b"note", "text/plain")
    about_amd64, about_s390x = source.entry(4, "unknown/unknown", about=AMD64), source.entry(5, about=S390X)
    digest = about_amd64["annotations"]["vnd.docker.reference.digest"]
    no_type = {**about_amd64, "annotations": {"vnd.docker.reference.digest": digest}}
    other_type = {**note, "annotations": about_amd64["annotations"]}
    upper = {**no_type["annotations"], "vnd.docker.reference.digest": digest.upper(), "vnd.docker.reference.type": ""}
    both, wanted = [AMD64, ARM], "linux/amd64 linux/arm"
    rows = (
        (SOUND, [*usual, about_amd64, about_s390x], wanted, [*both, 4], "about one that is kept"),
        (SOUND, [about_amd64, *usual], wanted, [0, 1, 3], "in front of what it is about"),
        (SOUND, [*usual, about_amd64], "linux/arm", ARM, "about another"),
        (SOUND, [*usual, other_type], wanted, [*both, 4], "of another media type"),
        (SOUND, [*usual, no_type], wanted, both, "without a type"),
        (SOUND, [*usual, {**about_amd64, "annotations": upper}], wanted, both, "about a digest in upper case"),
        (DAMAGED, [*usual, about_amd64], wanted, both, "left out"),
        (DAMAGED, [*usual, about_s390x], wanted, [*both, 4], "about one that is left out"),
    )
    return [source.case(f"attestation: {name}", *row) for *row, name in rows]


def sources() -> list:
    """The source is a manifest as any other, with all its entries; they are not walked."""
    source = Source()
    usual = source.usual()
    rows = (
        (SOUND, [*usual, {**source.images[4], "size": 2**53 - 1}], "an entry with another size"),
        (SOUND, [*usual, {**source.images[4], "digest": "sha256:" + "1" * 64}], "an entry that is not here"),
        (DAMAGED, [*usual, {**source.images[4], "size": 2**53}], "an entry above all sizes"),
        (DAMAGED, [*usual, {**source.images[4], "digest": "sha512:" + "1" * 128}], "an entry by another algorithm"),
        (DAMAGED, [*usual, {**source.images[4], "Annotations": {}}], "an entry with a key in another case"),
        (DAMAGED, [*usual, {**source.images[4], "platform": {"os": "linux"}}], "an entry with half a platform"),
        (DAMAGED, [*usual, {**source.images[4], "Digest": "x"}], "an entry with a key in another case"),
    )
    found = [
        source.case(f"a source with {name}", verdict, entries, "linux/amd64", 0) for verdict, entries, name in rows
    ]
    one, index = item(NAME, source.images[0], source.images[1], platforms=["linux/amd64"]), source.store.index(usual)
    no_index = source.store.inventory([one], [source.images[1], source.images[0], source.config], [source.layer])
    selected = item(NAME, source.images[0], index, platforms=["linux/amd64"])
    without = source.store.inventory([selected], [source.images[0], source.config], [source.layer])
    return [
        *found,
        of("platforms of what is no index", DAMAGED, source.store, no_index),
        of("a source that is missing", DAMAGED, source.store, without),
    ]
