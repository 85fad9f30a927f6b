"""The walk over items and the platforms rule, on manifests that are made here."""

import json
import unittest

import inventory
import platforms
import walk
from archive_writer import OCI_INDEX, OCI_MANIFEST, Store, about, item, small
from refusal import Damaged

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def platform(os: str, architecture: str, variant: str | None = None) -> dict:
    found = {"os": os, "architecture": architecture}
    return {"platform": {**found, "variant": variant} if variant else found}


class Walk(unittest.TestCase):
    def setUp(self):
        self.store = Store()
        self.layer = self.store.add(b"layer")
        self.config = self.store.add(b"{}")

    def walk(self, items: list, metadata: list, content: list):
        walk.check(self.store.inventory(items, metadata, content), self.store.blobs.__getitem__)

    def assert_refused(self, items: list, metadata: list, content: list, why: str):
        with self.assertRaises(Damaged, msg=why):
            self.walk(items, metadata, content)

    def test_the_lists_are_those_of_the_walk_in_its_order(self):
        store, good = small()
        walk.check(good, store.blobs.__getitem__)
        image, config, evidence, empty, statement = good["metadata"]
        layer, = good["content"]
        other = Store().add(b"other")
        for metadata, content, why in (
            ([config, image, evidence, empty, statement], [layer], "another order"),
            ([image, config, evidence, empty], [layer], "a missing blob"),
            ([image, config, evidence, empty, statement, other], [layer], "metadata that nothing needs"),
            ([image, config, evidence, empty, statement], [layer, other], "content that nothing needs"),
            ([image, config, evidence, empty], [layer, statement], "evidence among the content"),
            ([image, config, evidence, empty, statement, layer], [], "content among the metadata"),
            ([config, evidence, empty, statement], [image, layer], "a manifest among the content"),
        ):
            with self.assertRaises(Damaged, msg=why):
                walk.check({**good, "metadata": metadata, "content": content}, store.blobs.__getitem__)

    def test_a_layer_that_is_evidence_as_well_is_metadata_at_its_first_use(self):
        first, last = self.store.add(b"first"), self.store.add(b"last")
        image = self.store.manifest([first, last])
        evidence = self.store.manifest([first])
        items = [item("r.example/a:1", image, evidence=[about(evidence, image)])]
        self.walk(items, [image, self.config, first, evidence], [last])
        self.assert_refused(items, [image, self.config, evidence, first], [last], "at its last use")

    def test_an_entry_that_is_no_manifest_is_content(self):
        image = self.store.manifest([self.layer])
        index = self.store.index([image, self.store.add(b"other", "text/plain")])
        other = self.store.add(b"other")
        self.walk([item("r.example/a:1", index)], [index, image, self.config], [self.layer, other])

    def test_evidence_that_is_an_index_has_metadata_only(self):
        image = self.store.manifest([])
        report = self.store.manifest([self.layer])
        index = self.store.index([report, self.store.add(b"note", "text/plain")])
        note = self.store.add(b"note")
        items = [item("r.example/a:1", image, evidence=[about(index, image)])]
        self.walk(items, [image, self.config, index, report, self.layer, note], [])

    def test_evidence_about_something_else_is_refused(self):
        image = self.store.manifest([self.layer])
        evidence = self.store.manifest([])
        index = self.store.index([image])
        metadata = [index, image, self.config, evidence]
        for subject in (index, image, evidence):
            pieces = [about(evidence, subject)]
            self.walk([item("r.example/a:1", index, evidence=pieces)], metadata, [self.layer])
        for subject, why in ((self.layer, "a layer"), (self.config, "a config")):
            pieces = [about(evidence, subject)]
            self.assert_refused([item("r.example/a:1", index, evidence=pieces)], metadata, [self.layer], why)

    def test_indexes_are_nested_four_deep_at_most(self):
        image = self.store.manifest([self.layer])
        nested = [image]
        for _ in range(5):
            nested.insert(0, self.store.index([nested[0]]))
        self.walk([item("r.example/a:1", nested[1])], [*nested[1:], self.config], [self.layer])
        self.assert_refused([item("r.example/a:1", nested[0])], [*nested, self.config], [self.layer], "five")

    def test_indexes_that_name_one_another_many_times_are_walked_once(self):
        below = [self.store.manifest([self.layer])]
        for _ in range(4):
            below.insert(0, self.store.index([below[0]] * 200))
        self.walk([item("r.example/a:1", below[0])], [*below, self.config], [self.layer])

    def test_one_digest_has_one_size(self):
        image = self.store.manifest([self.layer, {**self.layer, "size": 6}])
        self.assert_refused([item("r.example/a:1", image)], [image, self.config], [self.layer], "two sizes")

    def test_manifests_in_another_form_are_refused(self):
        config, layers = self.config, [self.layer]
        good = {"schemaVersion": 2, "config": config, "layers": layers}
        for value, why in (
            (good, None),
            ({**good, "mediaType": OCI_MANIFEST, "annotations": {"a": 1.5}, "other": None}, None),
            ({**good, "urls": ["http://example"], "data": "x"}, None),
            ({**good, "mediaType": OCI_INDEX}, "the media type of an index"),
            ({**good, "mediaType": None}, "a media type that is null"),
            ({**good, "schemaVersion": 1}, "another version"),
            ({**good, "schemaVersion": True}, "no number"),
            ({"config": config, "layers": layers}, "no version"),
            ({**good, "manifests": []}, "a manifest and an index"),
            ({"schemaVersion": 2, "config": config}, "no layers"),
            ({"schemaVersion": 2, "manifests": []}, "an index"),
            ({**good, "layers": None}, "layers that are null"),
            ({**good, "layers": [{**self.layer, "digest": "sha512:" + "1" * 128}]}, "another algorithm"),
            ({**good, "layers": [{**self.layer, "size": -1}]}, "a negative size"),
            ({**good, "layers": [{**self.layer, "size": 5.0}]}, "a fraction"),
            ({**good, "config": {"digest": config["digest"], "size": 2}}, "no media type"),
            ([good], "a list"),
        ):
            image = self.store.add(json.dumps(value).encode(), OCI_MANIFEST)
            arguments = [item("r.example/a:1", image)], [image, config], layers
            if why is None:
                self.walk(*arguments)
            else:
                self.assert_refused(*arguments, why)

    def test_a_manifest_with_a_key_twice_is_refused(self):
        image = self.store.manifest([self.layer])
        text = self.store.blobs[image["digest"]]
        # The same value again, so that nothing but the key is wrong.
        again = b',"l\\u0061yers":' + json.dumps([self.layer]).encode() + b"}"
        twice = self.store.add(text[:-1] + again, OCI_MANIFEST)
        self.assert_refused([item("r.example/a:1", twice)], [twice, self.config], [self.layer], "a key twice")


class Platforms(unittest.TestCase):
    """Entries with white space, an order of keys and escapes of their own: they stay as they are."""

    TEXTS = [
        '{ "size":1, "mediaType":"%s", "digest":"%s", "platform":{"os":"linux","architecture":"amd64"} }',
        '{"size":1,"mediaType":"%s","digest":"%s","platform":{"architecture":"arm64","os":"\\u006cinux"}}',
        '{"size":1,"mediaType":"%s","digest":"%s",'
        '"platform":{"architecture":"arm","os":"linux","variant":"v7"}}',
        '{"size":1,"mediaType":"%s","digest":"%s","platform":{"architecture":"amd64","os":"linux"},"n":1.50}',
        '{"size":1,"mediaType":"%s","digest":"%s","annotations":{"vnd.docker.reference.type":"]},{\\"",\n'
        '"vnd.docker.reference.digest":"sha256:' + "0" * 64 + '"}}',
        '{"size":1,"mediaType":"%s","digest":"%s","annotations":{"vnd.docker.reference.digest":"sha256:'
        + "1" * 64 + '","vnd.docker.reference.type":"attestation-manifest"}}',
    ]
    AMD64, ARM64, ARM, SECOND_AMD64, ABOUT_AMD64, ABOUT_ARM64 = range(6)

    def setUp(self):
        self.entries = [
            text % (OCI_MANIFEST, f"sha256:{position}" + str(position) * 63)
            for position, text in enumerate(self.TEXTS)
        ]
        self.source = (
            '{"annotations":{"manifests":"[{]"},\t"schemaVersion":2,"\\u006danifests" : [ '
            + " ,\r\n".join(self.entries) + ' ], "mediaType":"' + OCI_INDEX + '"}'
        ).encode()

    def item(self, published: dict, *wanted: str) -> dict:
        source = Store().add(self.source, OCI_INDEX)
        return item("r.example/a:1", published, source, platforms=list(wanted))

    def remade(self, *positions: int) -> dict:
        entries = ",".join(self.entries[position] for position in positions)
        text = '{"manifests":[' + entries + '],"mediaType":"' + OCI_INDEX + '","schemaVersion":2}'
        return Store().add(text.encode(), OCI_INDEX)

    def entry(self, position: int) -> dict:
        found = json.loads(self.entries[position])
        return {key: found[key] for key in ("digest", "mediaType", "size")}

    def test_one_platform_publishes_the_first_entry_that_fits(self):
        for wanted, position in (
            ("linux/amd64", self.AMD64),
            ("linux/arm64", self.ARM64),
            ("linux/arm64/v8", self.ARM64),
            ("linux/arm", self.ARM),
            ("linux/arm/v7", self.ARM),
        ):
            platforms.check(self.item(self.entry(position), wanted), self.source)

    def test_several_platforms_publish_their_entries_as_they_were_written(self):
        for wanted, positions in (
            (("linux/amd64", "linux/arm/v7"), (self.AMD64, self.ARM, self.ABOUT_AMD64)),
            (("linux/arm/v7", "linux/amd64"), (self.AMD64, self.ARM, self.ABOUT_AMD64)),
            (("linux/arm64", "linux/arm"), (self.ARM64, self.ARM, self.ABOUT_ARM64)),
            (("linux/arm64", "linux/arm64/v8"), (self.ARM64, self.ABOUT_ARM64)),
        ):
            platforms.check(self.item(self.remade(*positions), *wanted), self.source)

    def test_anything_else_is_refused(self):
        for published, wanted, why in (
            (self.entry(self.SECOND_AMD64), ("linux/amd64",), "the second that fits"),
            (self.entry(self.ARM64), ("linux/amd64",), "another platform"),
            ({**self.entry(self.AMD64), "size": 2}, ("linux/amd64",), "another size"),
            (self.remade(self.AMD64, self.ABOUT_AMD64), ("linux/amd64",), "an index for one platform"),
            (self.remade(self.AMD64, self.ARM), ("linux/amd64", "linux/arm"), "without the attestation"),
            (self.remade(self.ARM, self.AMD64, self.ABOUT_AMD64), ("linux/arm", "linux/amd64"), "reordered"),
            (self.entry(self.AMD64), ("linux/s390x",), "a platform that is not there"),
            (self.entry(self.ARM), ("linux/arm/v6",), "another variant"),
            (self.entry(self.ARM64), ("linux/arm64/v9",), "another variant of arm64"),
        ):
            with self.assertRaises(Damaged, msg=why):
                platforms.check(self.item(published, *wanted), self.source)

    def test_where_everything_is_selected_there_are_no_platforms(self):
        kept = [self.entries[self.AMD64], self.entries[self.ABOUT_AMD64]]
        self.source = ('{"schemaVersion":2,"manifests":[' + ",".join(kept) + "]}").encode()
        with self.assertRaises(Damaged):
            platforms.check(self.item(self.entry(self.AMD64), "linux/amd64"), self.source)

    def test_an_index_keeps_the_media_type_of_its_source(self):
        self.source = self.source.replace(OCI_INDEX.encode(), DOCKER_LIST.encode())
        remade = self.remade(self.AMD64, self.ARM, self.ABOUT_AMD64)
        text = platforms.remade(self.source, [self.AMD64, self.ARM, self.ABOUT_AMD64], DOCKER_LIST)
        published = Store().add(text, DOCKER_LIST)
        self.assertNotEqual(published["digest"], remade["digest"])
        source = Store().add(self.source, DOCKER_LIST)
        one = item("r.example/a:1", published, source, platforms=["linux/amd64", "linux/arm"])
        platforms.check(one, self.source)

    def test_the_walk_takes_the_source_but_not_what_was_left_out(self):
        store = Store()
        layer = store.add(b"layer")
        image = store.manifest([layer])
        other = {**store.manifest([layer], b"other"), **platform("linux", "arm64")}
        source = store.index([{**image, **platform("linux", "amd64")}, other])
        one = item("r.example/a:1", image, source, platforms=["linux/amd64"])
        good = store.inventory([one], [source, image, store.add(b"{}")], [layer])
        inventory.check_items(good["items"])
        walk.check(good, store.blobs.__getitem__)
        with self.assertRaises(Damaged):
            walk.check({**good, "metadata": good["metadata"][1:]}, store.blobs.__getitem__)


if __name__ == "__main__":
    unittest.main()
