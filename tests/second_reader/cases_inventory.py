"""Cases of the sections "The slot", "Canonical JSON" and "The inventory"."""

import canonical_json
from archive_writer import about, changed, item, small
from cases import DAMAGED, OTHER_VERSION, REFUSED, SOUND, changes, of, spelled

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
NAME = ("items", 0, "name")
LARGEST = 2**53 - 1


def all_cases() -> list:
    return [
        *signatures(), *spellings(), *versions(), *keys(), *blobs(), *many_blobs(), *items(), *requirements(),
        *names(), *evidence(), *much_evidence(), *listings(),
    ]


def signatures() -> list:
    store, good = small()
    annex = changed(good, ("annexOf",), ONE)
    approver = {"role": "security-officer", "verdict": "approved"}
    rows = (
        (SOUND, annex, {}, "an annex by a preparer, without a verdict"),
        (SOUND, good, {"signedAt": "2026-11-23T21:30:01Z"}, "signed a second later"),
        (REFUSED, good, {"signedAt": "2026-11-23T21:29:59Z"}, "signed before it was created"),
        (REFUSED, good, {"signedAt": "9999-12-31T23:59:59Z"}, "signed in the future"),
        (REFUSED, good, {"role": "sovereign-admin"}, "an archive signed as an approver"),
        (REFUSED, good, {"role": "recovery"}, "an archive signed for recovery"),
        (REFUSED, annex, approver, "an approval by a key that is trusted as a preparer's"),
        (REFUSED, annex, {**approver, "change": ""}, "an empty change"),
        (REFUSED, annex, {**approver, "change": "\u00e4\n", "policyDigest": ONE}, "a change of any text"),
        (DAMAGED, annex, {**approver, "change": 1}, "a change that is no text"),
        (DAMAGED, annex, {**approver, "verdict": "perhaps"}, "another verdict"),
        (DAMAGED, annex, {**approver, "policyDigest": "1" * 64}, "a policy that is no digest"),
        (DAMAGED, good, {"change": "1"}, "a change by a preparer"),
        (DAMAGED, good, {"policyDigest": ONE}, "a policy by a preparer"),
        (DAMAGED, good, {"trustDigest": ONE}, "a trust file by a preparer"),
        (DAMAGED, annex, {"verdict": "approved"}, "a verdict by a preparer"),
        (DAMAGED, annex, {"role": "recovery", "verdict": "rejected"}, "a verdict for recovery"),
        (DAMAGED, good, {"role": "auditor"}, "another role"),
        (DAMAGED, good, {"signedAt": "2026-11-23T24:00:00Z"}, "signed at no time"),
        (DAMAGED, good, {"inventorySize": 0}, "an inventory of no bytes"),
        (DAMAGED, good, {"inventorySize": 67_108_865}, "an inventory above 64 MiB"),
        (DAMAGED, good, {"note": "x"}, "an unknown key of a signature"),
    )
    return [of(name, verdict, store, value, predicate) for verdict, value, predicate, name in rows]


def spellings() -> list:
    text = canonical_json.write(small()[1]).decode()

    def replaced(old: str, new: str) -> str:
        assert text.count(old) == 1, old
        return text.replace(old, new)

    rows = (
        (text + "\n", "a line feed behind"),
        (text + text, "the inventory twice"),
        (replaced('"kind":"Inventory"', '"kind": "Inventory"'), "white space"),
        ('{"name":"core",' + replaced('"name":"core",', "")[1:], "keys in another order"),
        (replaced('"kind":"Inventory"', '"kind":"Inventory","kind":"Inventory"'), "a key twice"),
        (replaced('"kind":"Inventory"', '"kind":"Inventory","\\u006bind":"Inventory"'), "a key twice, escaped"),
        (replaced('"kind":"Inventory"', '"Kind":"Inventory"'), "a key in another case"),
        (replaced('"core"', '"\\u0063ore"'), "an escape that is not needed"),
        (replaced("20261123213000", "20261123213000.0"), "a fraction"),
        (replaced("20261123213000", "2.0261123213e13"), "an exponent"),
        (replaced("20261123213000", "-20261123213000"), "a negative number"),
        (replaced('"name":"core"', '"base":null,"name":"core"'), "null"),
        (replaced('"content":[', '"annotations":{"a":"1","a":"2"},"content":['), "one annotation twice"),
        (replaced('"tests 1"', '"tests\\ud800"'), "half a surrogate pair"),
        (replaced('"core"', "[" * 64 + "]" * 64), "65 levels of nesting"),
        (replaced('"core"', "[" * 5_000 + "]" * 5_000), "5,000 levels of nesting"),
        ("null", "null for an inventory"),
        (b"\xef\xbb\xbf" + text.encode(), "a byte order mark"),
        (text.encode("utf-16"), "UTF-16"),
        (text.encode().replace(b"tests 1", b"tests \xff"), "no UTF-8"),
    )
    return [spelled(name, DAMAGED, value) for value, name in rows]


def versions() -> list:
    later, deep = '"apiVersion":"airgap/v2"', "[" * 64 + "]" * 64
    rows = (
        (OTHER_VERSION, "{" + later + "}", "another version"),
        (OTHER_VERSION, '{ "unknown":[{}], ' + later + "}\n", "another version in another spelling"),
        (OTHER_VERSION, '{"apiVersion":""}', "an empty version"),
        (OTHER_VERSION, '{"apiVersion":"\\u0061irgap/v1 ","\u00e9":null}', "a version with a space behind"),
        (DAMAGED, "{" + later + "," + later + "}", "another version twice"),
        (DAMAGED, "{" + later + ',"a":{"k":1,"k":2}}', "another version with a key twice"),
        (DAMAGED, "{" + later + "} {}", "another version with something behind"),
        (DAMAGED, "{" + later + ',"a":' + deep + "}", "another version with 65 levels of nesting"),
        (DAMAGED, "{" + later + ',"a":1e999}', "another version with a number beyond all"),
        (DAMAGED, '{"apiversion":"airgap/v2"}', "a version in another case"),
        (DAMAGED, '{"apiVersion":null}', "null for a version"),
        (DAMAGED, '{"apiVersion":2}', "a number for a version"),
        (DAMAGED, '["airgap/v2"]', "another version in a list"),
    )
    return [spelled(name, verdict, text) for verdict, text, name in rows]


def keys() -> list:
    return [
        *changes(
            SOUND,
            (("annotations",), {"!": "", "a.b/c~": "\u00e9\n"}, "annotations of any text"),
            (("annotations",), {"A": "1", "a": "2"}, "annotations that differ in case only"),
            (("audience",), ["a", "a-b", "b"], "an audience"),
            (("base",), ONE, "a base of what is carried"),
            (("generator",), " ~" * 64, "a generator of 128 characters"),
            (("importBefore",), "2026-11-23T21:30:01Z", "an import date a second after its creation"),
            (("name",), "a" * 63, "a name of 63 characters"),
        ),
        *changes(
            DAMAGED,
            (("annexOf",), "sha512:" + "1" * 128, "another algorithm"),
            (("annotations",), {}, "an empty map that is written"),
            (("annotations",), {"a": 1}, "an annotation that is no text"),
            (("annotations",), {"": "a"}, "an annotation without a key"),
            (("annotations",), {"a b": ""}, "an annotation's key with a space"),
            (("annotations",), {"\u00e9": ""}, "an annotation's key beyond ASCII"),
            (("apiVersion",), None, "no version"),
            (("audience",), "a", "an audience that is a text"),
            (("audience",), [], "an empty list that is written"),
            (("audience",), ["b", "a"], "a descending audience"),
            (("audience",), ["a", "a"], "a site twice"),
            (("audience",), ["-a"], "a site with a hyphen in front"),
            (("base",), "sha256:" + "A" * 64, "a digest in upper case"),
            (("created",), "2026-11-23T21:30:01Z", "a creation at another time than the serial"),
            (("created",), "2026-11-23 21:30:00Z", "a time without T"),
            (("created",), None, "no creation"),
            (("generator",), "", "an empty generator"),
            (("generator",), "g" * 129, "a generator of 129 characters"),
            (("generator",), "g\u00e9", "a generator beyond ASCII"),
            (("importBefore",), "2026-11-23T21:30:00Z", "an import date at its creation"),
            (("importBefore",), "2027-02-29T00:00:00Z", "a day that is not"),
            (("importBefore",), "2026-12-31T23:59:60Z", "a leap second"),
            (("items",), None, "no list of items"),
            (("kind",), "Archive", "another kind"),
            (("name",), "Core", "a name in upper case"),
            (("name",), "../core", "a name like a path"),
            (("name",), "core\n", "a name with a line feed"),
            (("name",), "a" * 64, "a name of 64 characters"),
            (("serial",), 20261123213001, "another serial than the time"),
            (("serial",), "20261123213000", "a serial that is a text"),
            (("unknown",), 1, "an unknown key"),
        ),
        *years(),
    ]


def years() -> list:
    store, good = small()
    first = changed(changed(good, ("created",), "0001-01-01T00:00:00Z"), ("serial",), 10101000000)
    zero = changed(changed(good, ("created",), "0000-01-01T00:00:00Z"), ("serial",), 101000000)
    return [of("the year 1", SOUND, store, first), of("the year 0", DAMAGED, store, zero)]


def blobs() -> list:
    store, good = small()
    blob, layer = good["metadata"][0], good["content"][0]
    left_out = changed(good, ("content", 0, "carried"), False)
    two = [changed(layer, ("size",), LARGEST // 2), {"digest": ONE, "size": LARGEST // 2}]
    return [
        of("content that is not carried", SOUND, store, changed(left_out, ("base",), ONE)),
        of("content that nobody has", DAMAGED, store, left_out),
        *changes(
            DAMAGED,
            (("content", 0, "carried"), True, "a default that is written"),
            (("metadata", 0, "carried"), False, "metadata that is not carried"),
            (("content", 0), blob, "a blob in both lists"),
            (("metadata", 1), blob, "a blob twice"),
            (("metadata",), [*good["metadata"], {**layer, "size": 4}], "a blob twice with two sizes"),
            (("content", 0, "size"), LARGEST, "a sum of 2^53 and more"),
            (("content",), two, "sizes that fit one by one and not together"),
            (("content", 0, "digest"), ONE[:-1], "a short digest"),
            (("content", 0, "size"), False, "a size that is no number"),
            (("content", 0, "size"), 6, "another size than the walk's"),
        ),
    ]


def many_blobs() -> list:
    """Refused before anything is looked for. Each reader has a test of its own of the 250,000."""
    many = [{"carried": False, "digest": f"sha256:{number:064x}", "size": 1} for number in range(249_996)]
    text = canonical_json.write(changed(changed(small()[1], ("base",), ONE), ("content",), many))
    return [spelled("250,001 blobs, of which most are not carried", DAMAGED, text)]


def items() -> list:
    store, good = small()
    first = good["items"][0]
    second = changed(first, NAME[2:], "registry.example/b:1")
    image = first["published"]
    other_type = {**image, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    nothing = changed(changed(changed(good, ("items",), []), ("metadata",), []), ("content",), [])
    return [
        of("no items", SOUND, store, nothing),
        *changes(
            SOUND,
            (("items",), [first, second], "two items of one manifest"),
            (("items",), [{**second, "kind": "chart"}, first], "a chart before an image"),
            (("items", 0, "annotations"), {"a": ""}, "an item with annotations"),
            (("items", 0, "group"), "g" * 63, "an item in a group"),
        ),
        *changes(
            DAMAGED,
            (("items",), [second, first], "items that descend"),
            (("items",), [first, {**second, "kind": "chart"}], "an image before a chart"),
            (("items",), [first, first], "an item twice"),
            (("items",), [{**first, "kind": "chart"}, first], "a name on two items"),
            (("items", 0), "a", "an item that is a text"),
            (("items", 0, "published"), [], "a descriptor that is a list"),
            (("items", 0, "annotations"), {"a b": ""}, "an item's annotation's key with a space"),
            (("items", 0, "group"), "", "an empty group"),
            (("items", 0, "kind"), "file", "another kind of item"),
            (("items", 0, "to"), "a", "a key that these kinds do not use"),
            (("items", 0, "platforms"), ["linux/amd64"], "platforms of what is its source"),
            (("items", 0, "published", "digest"), ONE, "another source, without platforms"),
            (("items", 0, "published", "size"), 1, "a manifest with two sizes"),
            (("items", 0, "source"), other_type, "a manifest with two media types"),
            (("items", 0, "published", "mediaType"), "text/plain", "an item that is no manifest"),
            (("items", 0, "source", "size"), 4_194_305, "an item with a manifest above 4 MiB"),
            (("items", 0, "source", "data"), "", "an unknown key of a descriptor"),
            (("items", 0, "evidence"), [], "an empty list of evidence"),
        ),
    ]


def requirements() -> list:
    image = small()[1]["items"][0]["published"]
    a, b, c = (f"registry.example/{name}:1" for name in "abc")
    rows = (
        (SOUND, [[b], [c], [a]], "items that require one another in a circle"),
        (SOUND, [[b, c], [], []], "an item that requires two"),
        (DAMAGED, [[a], [], []], "an item that requires itself"),
        (DAMAGED, [[c, b], [], []], "requirements that descend"),
        (DAMAGED, [[b, b], [], []], "a requirement twice"),
        (DAMAGED, [["registry.example/none:1"], [], []], "an item that requires one that is not there"),
    )
    found = []
    for verdict, wanted, name in rows:
        listed = [
            item(one, image, **({"requires": requires} if requires else {}))
            for one, requires in zip((a, b, c), wanted)
        ]
        store, good = small()
        lists = {"items": listed, "metadata": good["metadata"][:2]}
        found.append(of(name, verdict, store, {**good, **lists}))
    return found


def names() -> list:
    source = small()[1]["items"][0]["source"]["digest"]
    label = "a" * 63
    long_host = ".".join([label] * 3 + ["b" * 61])
    sound = (
        "registry.example/a:Tag_1@" + source, "registry.example/a@" + source, "localhost/a:1", "localhost:5000/a:1",
        "registry:1/a:1", "registry.example:65535/a:1", "docker.io/library/a:1", "docker.io/a/b:1", "docker.io:443/a:1",
        "127.0.0.1/a:1", "255.255.255.255:1/a:1", "1.example/a:1", "a.1b/a:1", "[::1]/a:1", "[fe80::1]:443/a:1",
        "[::ffff:1.2.3.4]/a:1", "[1:2:3:4:5:6:7:0]/a:1", "[1::2:0:0:3]/a:1", "[1:0:0:2::3]/a:1", "[1:2:3:4:5:0:7:8]/a:1", "[::]/a:1",
        "[::102:304]/a:1", "[64:ff9b::102:304]/a:1", "index.docker.io:443/a:1", "xn--a-b.example/a:1", label + ".example/a:1",
        long_host + "/a:1", "registry.example/a.b_c__d---e/f0:1", "registry.example/" + "a" * 255 + ":" + "t" * 128,
        "registry.example/a:_",
    )
    damaged = (
        "a:1", "library/a:1", "LOCALHOST/a:1", "docker.io/a:1", "index.docker.io/library/a:1", "registry.example/a",
        "registry.example/A:1", "registry.example/a//b:1", "registry.example/../b:1", "registry.example/./b:1",
        "registry.example//a:1", "registry.example/a/:1", "/a.b:1", "registry.example/a___b:1",
        "registry.example/a..b:1",
        "registry.example/a-_b:1", "registry.example/-a:1", "registry.example/a.:1", "registry.example/a:",
        "registry.example/a:.t", "registry.example/a:1:2", "registry.example/a:" + "t" * 129,
        "registry.example/a:1@sha512:" + "1" * 128, "registry.example/a:1@" + ONE, "registry.example/a:1@",
        "registry.example/a@" + source + "@" + source, "registry.example/a:1\n", "registry.example/\u001ba:1",
        "registry.example/" + "a" * 256 + ":1", "registry.example:0/a:1", "registry.example:65536/a:1",
        "registry.example:080/a:1", "registry.example:/a:1", "registry.example:+1/a:1", "registry.example:x/a:1",
        "registry..example/a:1", "registry.example./a:1", ".example/a:1", "-a.example/a:1", "a-.example/a:1",
        "a_b.example/a:1", "\u00e9.example/a:1", "user@registry.example/a:1", "a" * 64 + ".example/a:1",
        long_host + "b/a:1", "1.2.3/a:1", "1.2.3.4.5/a:1", "a.10/a:1", "256.1.1.1/a:1", "01.2.3.4/a:1",
        "1.2.3.4 /a:1", "[::1%25eth0]/a:1", "[::1%eth0]/a:1", "[1::2::3]/a:1", "[]/a:1", "[::01.2.3.4]/a:1",
        "[12345::]/a:1", "[1:2:3:4:5:6:7:8::]/a:1", "::1/a:1", "[::1/a:1", "[1.2.3.4]/a:1", "[::1]5000/a:1",
        "[::1]:/a:1", "https://registry.example/a:1", "Registry.Example:65535/a:1", "Docker.io/library/a:1", "LOCALHOST:1/a:1",
        "[FE80::1]/a:1", "[0::1]/a:1", "[::0001]/a:1", "[1:0:0:2:0:0:0:3]/a:1", "[1::2:3:4:5:6:7]/a:1", "[0:0:0:0:0:0:0:0]/a:1",
        "[::ffff:102:304]/a:1", "[::1.2.3.4]/a:1", "[64:ff9b::1.2.3.4]/a:1",
    )
    return [
        *changes(SOUND, *((NAME, name, f"the name {short(name)}") for name in sound)),
        *changes(DAMAGED, *((NAME, name, f"the name {short(name)}") for name in damaged)),
    ]


def short(name: str) -> str:
    return ascii(name) if len(name) <= 60 else f"{name[:40]!a}... of {len(name)} bytes"


def evidence() -> list:
    signed = small()[1]["items"][0]["evidence"][0]
    tag = signed["tag"].removesuffix(".sig")
    path = ("items", 0, "evidence")
    return [
        *changes(
            SOUND,
            (path, [{**signed, "tag": tag + end} for end in (".att", ".sbom", ".sig")], "a piece under three tags"),
        ),
        *changes(
            DAMAGED,
            (path, [{**signed, "tag": tag + end} for end in (".sig", ".att")], "evidence that descends"),
            (path, [signed, signed], "a piece twice"),
            (path, sorted([signed, {**signed, "digest": ONE}], key=lambda one: one["digest"]), "two pieces under a tag"),
            (path, [{**signed, "tag": tag + ".cosign"}], "a tag with another ending"),
            (path, [{**signed, "tag": "sha256-" + "1" * 64 + ".sig"}], "a tag of another subject"),
            (path, [{**signed, "tag": ""}], "an empty tag"),
            (path, [{**signed, "size": 4_194_305}], "evidence with a manifest above 4 MiB"),
            (path, [{**signed, "mediaType": "text/plain"}], "evidence that is no manifest"),
            (path, [{key: signed[key] for key in signed if key != "subject"}], "evidence without a subject"),
        ),
    ]


def much_evidence() -> list:
    """2,500 manifests, each about the one before it, under no tag and under three; and one more."""
    store, good = small()
    image, config = good["items"][0]["published"], store.add(b"config")
    empty = store.add(b"{}")
    found = []
    for count, verdict in ((10_000, SOUND), (10_001, DAMAGED)):
        chain = [image]
        for _ in range((count + 3) // 4):
            chain.append(store.manifest([], subject=chain[-1]))
        pairs = sorted(zip(chain, chain[1:]), key=lambda pair: pair[0]["digest"])
        listed = [
            {**piece, "subject": subject["digest"], **({"tag": stem(subject) + end} if end else {})}
            for subject, piece in pairs
            for end in ("", ".att", ".sbom", ".sig")
        ][:count]
        first, *rest = (listed[at] for at in range(0, count, 4))
        one = item("registry.example/a:1", image, evidence=listed)
        inventory = store.inventory([one], [image, config, first, empty, *rest], good["content"])
        found.append(of(f"{count:,} pieces of evidence", verdict, store, inventory))
    return found


def stem(subject: dict) -> str:
    """The start of the legacy tags of a subject."""
    return about(subject, subject)["tag"].removesuffix(".sig")


def listings() -> list:
    """What index.json makes of names that come to one tag or look cut, and of evidence that is met twice."""
    store, good = small()
    first = good["items"][0]
    image = first["published"]
    # With the host they are 128 and 129 bytes.
    paths = ("a-b:1", "a/b:1", "a:1-0123456789aB", "a:1-0123456789ab", "b" * 109 + ":1", "b" * 110 + ":1")
    items = [item("registry.example/" + path, image, evidence=first["evidence"]) for path in paths]
    tags = {**good, "items": items}
    evidence = item("registry.example/sig:1", first["evidence"][0])
    both = {**good, "items": [first, evidence]}
    return [of("names that are cut", SOUND, store, tags), of("evidence that is an item too", SOUND, store, both)]
