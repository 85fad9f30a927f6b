"""Cases of the section "The walk" up to what a manifest looks like."""

import json

from archive_writer import LAYER, OCI_INDEX, OCI_MANIFEST, Store, about, item
from cases import DAMAGED, SOUND, Case, of
from walk import HELM_CONFIG, HELM_PROVENANCE

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
NAME = "registry.example/a:1"


def all_cases() -> list:
    return [
        *forms(), *descriptors(), *index_forms(), *texts(), *sizes(), *sums(), *large_manifests(), *orders(), *roles(),
        *mentions(), *nested(), *subjects(), *connections(),
    ]


class Image:
    """A store with the config and the layer of every image here."""

    def __init__(self):
        self.store = Store()
        self.layer = self.store.add(b"layer")
        self.config = self.store.add(b"{}")
        self.value = {"schemaVersion": 2, "config": self.config, "layers": [self.layer]}

    def manifest(self, media_type: str = OCI_MANIFEST, **more) -> dict:
        return self.store.add(json.dumps({**self.value, **more}).encode(), media_type)

    def case(self, name: str, verdict: int, published: dict, metadata: list, content: list, evidence=()) -> Case:
        one = item(NAME, published, **({"evidence": sorted(evidence, key=order)} if evidence else {}))
        return of(name, verdict, self.store, self.store.inventory([one], metadata, content))

    def text(self, name: str, verdict: int, text: str | bytes, below: list = ()) -> Case:
        """An image with this manifest, or an index with an image below."""
        data = text.encode() if isinstance(text, str) else text
        published = self.store.add(data, OCI_INDEX if below else OCI_MANIFEST)
        return self.case(name, verdict, published, [published, *below, self.config], [self.layer])

    def without(self, key: str) -> dict:
        return {one: value for one, value in self.value.items() if one != key}


def order(piece: dict) -> tuple:
    return piece["subject"], piece["digest"], piece.get("tag", "")


def forms() -> list:
    image = Image()
    good, config, layers = image.value, image.config, image.value["layers"]
    rows = (
        (SOUND, good, "a manifest without a media type"),
        (SOUND, {**good, "mediaType": OCI_MANIFEST, "artifactType": ""}, "a manifest with a media type"),
        (SOUND, {**good, "annotations": {"Size": "1", "\n": ""}}, "annotations with any keys"),
        (SOUND, {**good, "subject": config, "other": None, "Urls": 1}, "unknown keys"),
        (SOUND, {**good, **dict.fromkeys(("manifests", "mediaType", "artifactType", "subject"))}, "keys that are null"),
        (SOUND, {**good, "annotations": None}, "annotations that are null"),
        (SOUND, {**good, "platform": {"OS": 1, "a": [1]}}, "a platform where none belongs"),
        (SOUND, {**good, "digest": 1, "size": [], "os": None}, "a descriptor's keys where none belong"),
        (DAMAGED, {**good, "mediaType": OCI_INDEX}, "a manifest with an index's media type"),
        (DAMAGED, {**good, "mediaType": 2}, "a media type that is no text"),
        (DAMAGED, {**good, "artifactType": 2}, "an artifact type that is no text"),
        (DAMAGED, {**good, "annotations": ["a"]}, "annotations that are a list"),
        (DAMAGED, {**good, "annotations": {"a": 1}}, "an annotation that is a number"),
        (DAMAGED, {**good, "annotations": {"a": None}}, "an annotation that is null"),
        (DAMAGED, {**good, "schemaVersion": 1}, "another schema version"),
        (DAMAGED, {**good, "schemaVersion": 2.0}, "a schema version with a fraction"),
        (DAMAGED, {**good, "schemaVersion": "2"}, "a schema version that is a text"),
        (DAMAGED, {**good, "schemaVersion": True}, "a schema version that is true"),
        (DAMAGED, {**good, "schemaVersion": None}, "a schema version that is null"),
        (DAMAGED, image.without("schemaVersion"), "no schema version"),
        (DAMAGED, {**good, "manifests": []}, "a manifest and an index in one"),
        (DAMAGED, image.without("layers"), "layers that are missing"),
        (DAMAGED, image.without("config"), "no config"),
        (DAMAGED, {**good, "layers": None}, "layers that are null"),
        (DAMAGED, {**good, "layers": {"0": layers[0]}}, "layers that are a map"),
        (DAMAGED, {**good, "layers": [*layers, None]}, "a layer that is null"),
        (DAMAGED, {**good, "subject": {}}, "an empty subject"),
        (DAMAGED, {**good, "subject": config["digest"]}, "a subject that is a text"),
        (DAMAGED, [good], "a manifest in a list"),
        (DAMAGED, [2, None, None, config, layers], "a manifest that is a list of its values"),
        (DAMAGED, {**good, "config": list(config.values())}, "a config that is a list of its values"),
        (DAMAGED, {**good, "layers": [list(layers[0].values())]}, "a layer that is a list of its values"),
        *((DAMAGED, {**good, key: None}, f"the key {key!a}") for key in (
            "Subject", "\u017fubject", "Manifests", "ARTIFACTTYPE", "annotation\u017f", "mediatype", "Platform", "OS",
        )),
    )
    return [image.text(name, verdict, json.dumps(value)) for verdict, value, name in rows]


def descriptors() -> list:
    image = Image()
    layer = image.layer
    platform = {"os": "linux", "architecture": "amd64"}
    bare = {key: layer[key] for key in ("digest", "size")}
    rows = (
        (SOUND, {**layer, "mediaType": "", "urls": ["http://example"], "data": 1}, "an empty media type"),
        (SOUND, {**layer, "artifactType": "", "annotations": {"a": ""}, "platform": platform}, "all that it may have"),
        (SOUND, {**layer, "artifactType": None, "annotations": None, "platform": None}, "nulls"),
        (SOUND, {**layer, "platform": {**platform, "variant": None, "os.version": 1, "features": None}}, "a platform"),
        (SOUND, {**layer, "config": {"Digest": 1}, "layers": [{"Size": 1}]}, "a manifest's keys"),
        (SOUND, {**layer, "platform": {**platform, "platform": {"OS": 1}}}, "a platform in a platform"),
        (DAMAGED, bare, "no media type"),
        (DAMAGED, {**layer, "mediaType": None}, "a media type that is null"),
        (DAMAGED, {**layer, "digest": None}, "a digest that is null"),
        (DAMAGED, {**layer, "digest": "sha512:" + "1" * 128}, "another algorithm"),
        (DAMAGED, {**layer, "digest": layer["digest"].upper()}, "a digest in upper case"),
        (DAMAGED, {**layer, "size": None}, "a size that is null"),
        (DAMAGED, {**layer, "size": "5"}, "a size that is a text"),
        (DAMAGED, {**layer, "size": 5.0}, "a size with a fraction"),
        (DAMAGED, {**layer, "size": -5}, "a negative size"),
        (DAMAGED, {**layer, "size": 6}, "another size than the inventory's"),
        (DAMAGED, {**layer, "artifactType": 1}, "an artifact type that is a number"),
        (DAMAGED, {**layer, "annotations": {"a": []}}, "an annotation that is a list"),
        (DAMAGED, {**layer, "platform": "linux/amd64"}, "a platform that is a text"),
        (DAMAGED, {**layer, "platform": ["amd64", "linux"]}, "a platform that is a list of its values"),
        (DAMAGED, {**layer, "platform": {}}, "an empty platform"),
        (DAMAGED, {**layer, "platform": {"os": "linux"}}, "a platform without an architecture"),
        (DAMAGED, {**layer, "platform": {**platform, "os": None}}, "a platform whose system is null"),
        (DAMAGED, {**layer, "platform": {**platform, "variant": 8}}, "a variant that is a number"),
        (DAMAGED, {**layer, "platform": {**platform, "Variant": "v8"}}, "a variant in another case"),
        (DAMAGED, {**layer, "ArtifactType": "a"}, "a key in another case"),
    )
    found = [
        image.text(f"a layer with {name}", verdict, json.dumps({**image.value, "layers": [value]}))
        for verdict, value, name in rows
    ]
    for size, verdict in ((2**53 - 1, SOUND), (2**53, DAMAGED), (10**30, DAMAGED)):
        text = json.dumps({**image.value, "subject": {**layer, "size": size}})
        found.append(image.text(f"a subject of {size} bytes", verdict, text))
    config = json.dumps({**image.value, "config": {**image.config, "Platform": None}})
    return [*found, image.text("a config with a key in another case", DAMAGED, config)]


def index_forms() -> list:
    image = Image()
    below = image.manifest()
    good = {"schemaVersion": 2, "manifests": [below]}
    rows = (
        (SOUND, good, "an index"),
        (SOUND, {**good, "mediaType": OCI_INDEX, "config": None, "layers": None}, "an index with nulls"),
        (DAMAGED, {**good, "config": image.config}, "an index with a config"),
        (DAMAGED, {**good, "layers": []}, "an index with layers"),
        (DAMAGED, {**good, "mediaType": DOCKER_INDEX}, "an index with another media type"),
        (DAMAGED, {"schemaVersion": 2, "manifests": below}, "a list that is none"),
        (DAMAGED, {"schemaVersion": 2}, "an index without a list"),
        (DAMAGED, image.value, "a manifest under an index's media type"),
        (DAMAGED, {"schemaVersion": 2, "manifests": [{**below, "platform": {"OS": "linux"}}]}, "an entry's platform"),
    )
    return [image.text(name, verdict, json.dumps(value), [below]) for verdict, value, name in rows]


def texts() -> list:
    """Manifests that only their spelling tells apart."""
    image = Image()
    good = json.dumps(image.value)

    def other(value: str) -> str:
        return good[:-1] + ',"other":' + value + "}"

    rows = (
        (SOUND, " \t\r\n" + good.replace(": ", " :\n") + "\n", "white space"),
        (SOUND, good.replace("layers", "l\\u0061yers"), "an escape in a key"),
        (SOUND, other("[" * 63 + "]" * 63), "64 levels of nesting"),
        (SOUND, other('{"\u00e4":1,"\u00c4":2,"i":3,"\u0130":4,"\u00df":5,"ss":6}'), "keys beyond ASCII"),
        (SOUND, other('["\\ud83d\\ude00","\\u0000","\\/"]'), "escapes"),
        (SOUND, other("[1e308,-1e308,0e999,1e-999,-0,1.50,9007199254740993]"), "numbers in range"),
        (SOUND, other("1" + "0" * 308), "309 digits"),
        (SOUND, other("1" + "0" * 400 + "e-300"), "401 digits with an exponent"),
        (SOUND, other("1.7976931348623157e308"), "the largest number"),
        (DAMAGED, other("1.7976931348623159e308"), "a number beyond the largest"),
        (DAMAGED, other("1e309"), "1e309"),
        (DAMAGED, other("[-1e999]"), "-1e999"),
        (DAMAGED, other("1" + "0" * 309), "310 digits"),
        (DAMAGED, other("9" * 5_000), "5,000 digits"),
        (DAMAGED, other("NaN"), "no number"),
        (DAMAGED, other("-Infinity"), "infinity"),
        (DAMAGED, other("01"), "a leading zero"),
        (DAMAGED, other("1."), "a fraction without digits"),
        (DAMAGED, other("[1,]"), "a comma too many"),
        (DAMAGED, other("'a'"), "another quotation mark"),
        (DAMAGED, other('"\t"'), "a control character"),
        (DAMAGED, other('"\\x41"'), "an unknown escape"),
        (DAMAGED, other('"\\u12_4"'), "an escape with other digits"),
        (DAMAGED, other('"\\ud800"'), "half a surrogate pair"),
        (DAMAGED, other('{"\\udc00":1}'), "half a surrogate pair in a key"),
        (DAMAGED, other('["\\ude00\\ud83d"]'), "a surrogate pair the wrong way round"),
        (DAMAGED, other('"\\ud83dx\\ude00"'), "a surrogate pair with something between"),
        (DAMAGED, other("[" * 64 + "]" * 64), "65 levels of nesting"),
        (DAMAGED, other("[" * 100_000 + "]" * 100_000), "100,000 levels of nesting"),
        (DAMAGED, good[:-1] + ',"l\\u0061yers":[]}', "a key twice"),
        (DAMAGED, other('[{"a":{"b":1,"b":1}}]'), "a key twice in what is ignored"),
        (SOUND, other('{"a":1,"A":2}'), "keys of nobody's that differ in case only"),
        (SOUND, other('{"s":1,"\u017f":2,"K":1,"\\u212a":2}'), "U+017F beside s and U+212A beside k"),
        (DAMAGED, other("/**/1"), "a comment"),
        (DAMAGED, good + "{}", "something behind"),
        (DAMAGED, good + "\0", "a zero byte behind"),
        (DAMAGED, "\ufeff" + good, "a byte order mark"),
        (DAMAGED, good.encode("utf-16"), "UTF-16"),
        (DAMAGED, other('"?"').encode().replace(b"?", b"\xff"), "no UTF-8"),
        (DAMAGED, other('"?"').encode().replace(b"?", b"\xc0\x80"), "UTF-8 that is too long"),
        (DAMAGED, other('"?"').encode().replace(b"?", b"\xed\xa0\x80"), "UTF-8 of a surrogate"),
    )
    return [image.text(f"a manifest with {name}", verdict, text) for verdict, text, name in rows]


def sizes() -> list:
    """Sizes in other spellings, two of one digest, and layers without any."""
    image = Image()
    empty = image.store.add(b"")
    found = []
    for digits, verdict in (("0", SOUND), ("-0", DAMAGED), ("0.0", DAMAGED), ("0e0", DAMAGED)):
        text = json.dumps({**image.value, "layers": [empty]}).replace('"size": 0', f'"size": {digits}')
        published = image.store.add(text.encode(), OCI_MANIFEST)
        found.append(image.case(f"the size {digits}", verdict, published, [published, image.config], [empty]))
    wrong = image.manifest(layers=[image.layer, {**image.layer, "size": 6}])
    found.append(image.case("a layer with two sizes", DAMAGED, wrong, [wrong, image.config], [image.layer]))
    for layers, verdict, name in (([], SOUND, "no layers"), ({}, DAMAGED, "layers that are an empty map")):
        published = image.manifest(layers=layers)
        found.append(image.case(name, verdict, published, [published, image.config], []))
    subject = image.manifest(subject={**image.config, "size": 3})
    found.append(image.case("a subject with another size", SOUND, subject, [subject, image.config], [image.layer]))
    return found


def sums() -> list:
    """Two layers that are not carried: the sum counts them as well, and 1,024 for each of the four blobs."""
    found = []
    for missing, verdict in ((1, SOUND), (0, DAMAGED)):
        image = Image()
        layers = [{**image.layer, "size": 2**52}, {**image.store.add(b"other"), "size": 1}]
        layers[1]["size"] = 2**51  # of as many digits as in the end
        around = image.manifest(layers=layers)["size"] + image.config["size"] + 4 * 1_024
        layers[1]["size"] = 2**52 - missing - around
        published = image.manifest(layers=layers)
        one = item(NAME, published)
        inventory = image.store.inventory([one], [published, image.config], layers, base="sha256:" + "1" * 64)
        for layer in inventory["content"]:
            layer["carried"] = False
        name = f"a sum of 2^53 and {missing} less" if missing else "a sum of 2^53"
        found.append(of(name, verdict, image.store, inventory))
    return found


def large_manifests() -> list:
    found = []
    for size, verdict in ((4_194_304, SOUND), (4_194_305, DAMAGED)):
        image = Image()
        below = image.store.add(json.dumps(image.value).encode().ljust(size), OCI_MANIFEST)
        index = image.store.index([below])
        metadata = [index, below, image.config]
        found.append(image.case(f"a manifest of {size} bytes", verdict, index, metadata, [image.layer]))
    for size, verdict in ((33_554_432, SOUND), (33_554_433, DAMAGED)):
        image = Image()
        config = image.store.add(bytes(size))
        published = image.manifest(config=config)
        found.append(image.case(f"a config of {size} bytes", verdict, published, [published, config], [image.layer]))
    return found


def orders() -> list:
    image = Image()
    published, note = image.manifest(), image.store.add(b"note")
    evidence = image.store.manifest([note], b"{ }")
    empty, other = image.store.add(b"{ }"), image.store.add(b"other")
    metadata, content = [published, image.config, evidence, empty, note], [image.layer]
    rows = (
        (SOUND, metadata, content, "the blobs of the walk"),
        (DAMAGED, [metadata[1], metadata[0], *metadata[2:]], content, "metadata in another order"),
        (DAMAGED, metadata[:-1], content, "metadata that is missing"),
        (DAMAGED, [*metadata, other], content, "metadata that nothing needs"),
        (DAMAGED, metadata, [*content, other], "content that nothing needs"),
        (DAMAGED, metadata, [], "content that is missing"),
        (DAMAGED, metadata[:-1], [*content, note], "evidence among the content"),
        (DAMAGED, [*metadata, image.layer], [], "content among the metadata"),
        (DAMAGED, metadata[1:], [published, *content], "a manifest among the content"),
    )
    pieces = [about(evidence, published)]
    return [image.case(name, verdict, published, *lists, pieces) for verdict, *lists, name in rows]


def roles() -> list:
    image = Image()
    store, config = image.store, image.config
    first, last, note = store.add(b"first"), store.add(b"last"), store.add(b"note", "text/plain")
    two = image.manifest(layers=[first, last])
    shared = store.manifest([first])
    own = image.manifest(layers=[config, first])
    with_note = store.index([two, note])
    report = store.manifest([note])
    reports = store.index([report, store.add(b"first", "text/plain")])
    chart_config, provenance = store.add(b"{}", HELM_CONFIG), store.add(b"last", HELM_PROVENANCE)
    chart = image.manifest(config=chart_config, layers=[first, provenance])
    other = image.manifest(layers=[first, provenance])
    return [
        image.case("a chart's provenance as metadata", SOUND, chart, [chart, chart_config, provenance], [first]),
        image.case("a chart's provenance as content", DAMAGED, chart, [chart, chart_config], [first, provenance]),
        image.case("a provenance without a chart as content", SOUND, other, [other, config], [first, provenance]),
        image.case("a provenance without a chart as metadata", DAMAGED, other, [other, config, provenance], [first]),
        image.case("a layer that is evidence too, at its first use", SOUND, two, [two, config, first, shared], [last],
                   [about(shared, two)]),
        image.case("a layer that is evidence too, at its last use", DAMAGED, two, [two, config, shared, first], [last],
                   [about(shared, two)]),
        image.case("a config that is a layer too", SOUND, own, [own, config], [first]),
        image.case("an entry that is no manifest", SOUND, with_note, [with_note, two, config], [first, last, note]),
        image.case("evidence that is an index", SOUND, two, [two, config, first, reports, report, note], [last],
                   [about(reports, two)]),
    ]


def mentions() -> list:
    """One manifest that is referred to by two media types: each mention is held to the rules."""
    image = Image()
    plain, named = image.manifest(), image.manifest(mediaType=OCI_MANIFEST)
    rows = (
        (SOUND, plain, DOCKER_MANIFEST, "a manifest by two media types"),
        (SOUND, plain, OCI_MANIFEST, "a manifest twice"),
        (DAMAGED, named, DOCKER_MANIFEST, "a manifest by another media type than its own"),
        (DAMAGED, plain, OCI_INDEX, "a manifest by an index's media type"),
    )
    found = []
    for verdict, one, media_type, name in rows:
        index = image.store.index([one, {**one, "mediaType": media_type}])
        found.append(image.case(name, verdict, index, [index, one, image.config], [image.layer]))
    index = image.store.index([plain, {**plain, "mediaType": LAYER}])
    metadata = [index, plain, image.config]
    return [*found, image.case("a manifest that is content too", SOUND, index, metadata, [image.layer])]


def nested() -> list:
    """Indexes above a manifest, and above an index that lists no manifest."""
    found = []
    for count, verdict in ((4, SOUND), (5, DAMAGED)):
        image = Image()
        below = [image.manifest()]
        bottom = [image.store.index([image.store.add(b"layer", "text/plain")])]
        for chain in (below, bottom):
            for _ in range(count):
                chain.insert(0, image.store.index([chain[0]]))
        published = image.manifest()
        piece = about(below[0], published)
        metadata = [published, image.config, *below[:-1]]
        found += [
            image.case(f"{count} indexes above a manifest", verdict, below[0], [*below, image.config], [image.layer]),
            image.case(f"{count} indexes above an index", verdict, bottom[0], bottom, [image.layer]),
            image.case(f"evidence with {count} indexes above a manifest", verdict, published,
                       [published, image.config, image.layer, *metadata[2:]], [], [piece]),
        ]
    image = Image()
    below = [image.manifest()]
    for _ in range(4):
        below.insert(0, image.store.index([below[0]] * 200))
    name = "indexes that name one another many times"
    return [*found, image.case(name, SOUND, below[0], [*below, image.config], [image.layer])]


def subjects() -> list:
    """Evidence without a tag says itself what it is about."""
    image = Image()
    published = image.manifest()
    other = {**published, "digest": "sha256:" + "1" * 64}
    rows = (
        (SOUND, {"subject": published}, False, "a referrer of the image"),
        (SOUND, {"subject": {**published, "mediaType": "any", "size": 1}}, False, "a referrer by another description"),
        (SOUND, {"subject": other}, True, "a subject of evidence under a tag"),
        (DAMAGED, {"subject": other}, False, "a referrer of something else"),
        (DAMAGED, {"subject": None}, False, "a subject that is null"),
        (DAMAGED, {}, False, "a referrer of nothing"),
    )
    found = []
    for verdict, more, tagged, name in rows:
        evidence = image.store.manifest([], **more)
        piece = about(evidence, published)
        piece = piece if tagged else {key: piece[key] for key in piece if key != "tag"}
        found.append(image.case(name, verdict, published, [published, image.config, evidence], [image.layer], [piece]))
    return found


def connections() -> list:
    image = Image()
    store, config, layer = image.store, image.config, image.layer
    child, entry = image.manifest(), store.add(b"entry", "text/plain")
    inner = store.index([child])
    index = store.index([inner, entry])
    one, two = store.manifest([], annotations={"n": "1"}), store.manifest([], annotations={"n": "2"})
    reports = store.index([two])
    rows = (
        (SOUND, [about(one, index)], "the index"),
        (SOUND, [about(one, inner)], "an index in the index"),
        (SOUND, [about(one, child)], "a manifest in an index in the index"),
        (SOUND, [about(one, index), about(two, one)], "evidence"),
        (SOUND, [about(reports, index), about(one, two)], "a part of evidence"),
        (SOUND, [about(one, two), about(two, one), about(one, index)], "the index and in a circle"),
        (DAMAGED, [about(one, one)], "itself"),
        (DAMAGED, [about(one, two), about(two, one)], "one another"),
        (DAMAGED, [about(two, reports), about(reports, two)], "its own part"),
        (DAMAGED, [about(one, config)], "a config"),
        (DAMAGED, [about(one, layer)], "a layer"),
        (DAMAGED, [about(one, entry)], "an entry that is no manifest"),
        (DAMAGED, [about(one, {"digest": "sha256:" + "1" * 64})], "what is not here"),
    )
    found = []
    for verdict, pieces, name in rows:
        unique = {}
        for piece in sorted(pieces, key=order):
            met = [reports, two] if piece["digest"] == reports["digest"] else [piece]
            unique.update((one["digest"], one) for one in met)
        metadata = [index, inner, child, config, *unique.values()]
        found.append(image.case(f"evidence about {name}", verdict, index, metadata, [layer, entry], pieces))
    return found
