"""Rules that an inventory breaks under a good signature, and who may sign what."""

import hashlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import airgap_reader
import canonical_json
import index_json
import inventory
import layout
import slot
from archive_writer import Signer, archive, bundle, changed, der, numbers, small, statement
from refusal import Damaged, Newer

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
APPROVER = {"role": "security-officer", "verdict": "approved"}


def read(value: dict) -> dict:
    return inventory.read(canonical_json.write(value))


class Inventories(unittest.TestCase):
    def setUp(self):
        self.store, self.good = small()

    def assert_each_is_refused(self, cases):
        for path, value, why in cases:
            with self.assertRaises(Damaged, msg=why):
                read(changed(self.good, path, value))

    def test_what_may_be_there_is_read(self):
        for path, value in (
            (("annexOf",), ONE),
            (("annotations",), {"a": ""}),
            (("audience",), ["a", "a-b", "b"]),
            (("base",), ONE),
            (("importBefore",), "2026-11-23T21:30:01Z"),
            (("items",), []),
            (("items", 0, "group"), "g" * 63),
            (("items", 0, "requires"), ["registry.example/app:1"]),
            (("items", 0, "name"), "localhost:5000/a/b_c:Tag_1@" + self.good["items"][0]["source"]["digest"]),
        ):
            read(changed(self.good, path, value))

    def test_an_inventory_that_breaks_a_rule_is_refused(self):
        self.assert_each_is_refused((
            (("annexOf",), "sha512:" + "1" * 128, "another algorithm"),
            (("annotations",), {}, "an empty map is left out"),
            (("annotations",), {"a": 1}, "no map of strings"),
            (("audience",), [], "an empty list is left out"),
            (("audience",), ["b", "a"], "descending"),
            (("audience",), ["a", "a"], "twice"),
            (("audience",), ["-a"], "no name"),
            (("audience",), ["a" * 64], "a long name"),
            (("base",), "sha256:" + "A" * 64, "upper case"),
            (("created",), "2026-11-23T21:30:01Z", "another time than the serial"),
            (("created",), "2026-11-23 21:30:00Z", "no T"),
            (("created",), "2026-11-23T21:30:00.0Z", "a fraction"),
            (("created",), None, "no time"),
            (("generator",), "", "no generator"),
            (("generator",), "g" * 129, "a long generator"),
            (("generator",), "g\u00e9", "no ASCII"),
            (("importBefore",), "2026-11-23T21:30:00Z", "not later than created"),
            (("importBefore",), "2027-02-29T00:00:00Z", "no day"),
            (("items",), None, "no items"),
            (("kind",), "Archive", "another kind"),
            (("name",), "Core", "upper case"),
            (("name",), "core\n", "a line feed"),
            (("serial",), 20261123213001, "another serial"),
            (("serial",), "20261123213000", "text"),
            (("unknown",), 1, "an unknown key"),
            (("apiVersion",), None, "no version"),
            (("apiVersion",), 1, "no text"),
        ))

    def test_blobs_that_break_a_rule_are_refused(self):
        blob = self.good["metadata"][0]
        self.assert_each_is_refused((
            (("content", 0, "carried"), False, "not carried without a base"),
            (("content", 0, "carried"), True, "the default is left out"),
            (("metadata", 0, "carried"), False, "metadata always travels"),
            (("content", 0), blob, "in metadata as well"),
            (("metadata", 1), blob, "twice in metadata"),
            (("metadata", 0, "size"), 33_554_433, "a large metadata blob"),
            (("content", 0, "size"), 2**53 - 1, "a sum of 2^53 and more"),
            (("content", 0, "digest"), ONE[:-1], "a short digest"),
            (("content", 0, "size"), False, "no number"),
        ))
        many = [{"digest": f"sha256:{number:064x}", "size": 1} for number in range(249_996)]
        with self.assertRaises(Damaged, msg="more than 250,000 blobs"):
            read(changed(self.good, ("content",), many))
        read(changed(self.good, ("content",), many[:249_995]))

    def test_items_that_break_a_rule_are_refused(self):
        item = self.good["items"][0]
        second = changed(item, ("name",), "registry.example/b:1")
        read(changed(self.good, ("items",), [item, second]))
        self.assert_each_is_refused((
            (("items",), [second, item], "descending"),
            (("items",), [item, item], "a name twice"),
            (("items",), [changed(item, ("kind",), "chart"), item], "a name twice, of two kinds"),
            (("items", 0, "kind"), "file", "another kind"),
            (("items", 0, "to"), "a", "not used by these kinds"),
            (("items", 0, "platforms"), ["linux/amd64"], "published is the source"),
            (("items", 0, "published", "digest"), ONE, "published is not the source, without platforms"),
            (("items", 0, "published", "size"), 1, "one manifest with two sizes"),
            (("items", 0, "published", "mediaType"), "text/plain", "another media type"),
            (("items", 0, "source", "size"), 4_194_305, "a large manifest"),
            (("items", 0, "source", "data"), "", "an unknown key"),
            (("items", 0, "requires"), ["registry.example/none:1"], "an item that is not there"),
            (("items", 0, "evidence"), [], "an empty list is left out"),
        ))

    def test_names_that_are_no_full_reference_are_refused(self):
        self.assert_each_is_refused([(("items", 0, "name"), name, why) for name, why in (
            ("nginx:1", "no host"),
            ("library/nginx:1", "a host without a dot or port"),
            ("docker.io/nginx:1", "not written in full"),
            ("registry.example/app", "neither tag nor digest"),
            ("registry.example/App:1", "upper case"),
            ("registry.example/a//b:1", "an empty component"),
            ("registry.example/../b:1", "a parent"),
            ("registry.example/a:" + "t" * 129, "a long tag"),
            ("registry.example/a:1@sha512:" + "1" * 128, "another algorithm"),
            ("registry.example/a:1@" + ONE, "another digest than that of the source"),
            ("registry.example/a:1\n", "a line feed"),
            ("registry.example/" + "a" * 750 + ":1", "769 bytes"),
        )])

    def test_evidence_that_breaks_a_rule_is_refused(self):
        signed = self.good["items"][0]["evidence"][0]
        piece = {key: value for key, value in signed.items() if key != "tag"}
        tag = "sha256-" + piece["subject"].removeprefix("sha256:")
        evidence = ("items", 0, "evidence")
        tagged = changed(piece, ("tag",), tag + ".sig")
        read(changed(self.good, evidence, [piece, tagged]))
        self.assert_each_is_refused((
            (evidence, [tagged, piece], "descending"),
            (evidence, [piece, piece], "twice"),
            (evidence, [changed(piece, ("tag",), tag + ".cosign")], "another ending"),
            (evidence, [changed(piece, ("tag",), "sha256-" + "1" * 64 + ".sig")], "another subject's tag"),
            (evidence, [changed(piece, ("tag",), "")], "an empty tag"),
            (evidence, [changed(piece, ("subject",), None)], "no subject"),
        ))

    def test_another_version_is_no_damage(self):
        with self.assertRaises(Newer):
            read({"apiVersion": "airgap/v2", "anything": [{}]})


class IndexJson(unittest.TestCase):
    def test_evidence_under_two_names_is_listed_once_and_after_the_items(self):
        _, good = small()
        piece = good["items"][0]["evidence"][0]
        tag = "sha256-" + piece["subject"].removeprefix("sha256:") + ".sig"
        value = changed(good, ("items", 0, "evidence"), [piece, {**piece, "tag": tag}])
        listed = json.loads(index_json.write(value))["manifests"]
        item = good["items"][0]
        annotations = {
            "io.containerd.image.name": item["name"],
            "org.opencontainers.image.ref.name": "registry.example-app-1",
        }
        bare = {key: piece[key] for key in ("digest", "mediaType", "size")}
        self.assertEqual(listed, [{"annotations": annotations, **item["published"]}, bare])


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.signer = Signer(Path(folder.name))

    def setUp(self):
        self.store, self.good = small()

    def verify(self, data: bytes, evidence_pack: bool = False):
        return airgap_reader.verify(io.BytesIO(data), self.signer.key, evidence_pack)

    def test_a_small_archive_and_its_evidence_pack_verify(self):
        whole = archive(self.signer, self.store, self.good)
        pack = archive(self.signer, self.store, self.good, evidence_pack=True)
        self.assertEqual(self.verify(whole).inventory, self.good)
        self.assertEqual(self.verify(pack, evidence_pack=True).inventory, self.good)

    def test_a_differential_archive_carries_only_some_content(self):
        differential = changed(changed(self.good, ("base",), ONE), ("content", 0, "carried"), False)
        data = archive(self.signer, self.store, differential)
        self.assertEqual(self.verify(data).inventory, differential)
        self.assertNotIn(b"layer" + bytes(507), data)
        # Without carried content the evidence pack lacks nothing but the end.
        self.verify(data[:-len(layout.END)], evidence_pack=True)

    def test_blobs_in_another_order_than_that_of_the_walk_are_refused_under_a_good_signature(self):
        other = changed(self.good, ("metadata",), self.good["metadata"][::-1])
        with self.assertRaises(Damaged):
            self.verify(archive(self.signer, self.store, other))

    def test_another_version_is_told_apart_from_damage(self):
        with self.assertRaises(Newer):
            self.verify(archive(self.signer, self.store, changed(self.good, ("apiVersion",), "airgap/v2")))

    def test_the_mirrored_signature_makes_no_second_form_of_an_archive(self):
        text = canonical_json.write(self.good)
        payload = canonical_json.write(statement(text))
        r, s = numbers(self.signer.sign(slot.authenticated(payload)))
        hint = self.signer.key.hint()
        data = archive(self.signer, self.store, self.good)
        for signature, verifies in ((der(r, s), True), (der(r, slot.P256_ORDER - s), False)):
            other = data[:512] + bundle(payload, signature, hint) + data[512 + slot.SLOT_SIZE:]
            if verifies:
                self.verify(other)
            else:
                with self.assertRaises(Damaged):
                    self.verify(other)

    def test_a_preparer_signs_archives_and_an_approver_annexes(self):
        annex = changed(self.good, ("annexOf",), ONE)
        approval = {**APPROVER, "change": "CHG1", "policyDigest": ONE, "trustDigest": TWO}
        for predicate in (APPROVER, approval, {**APPROVER, "role": "recovery"}):
            self.verify(archive(self.signer, self.store, annex, **predicate))
        for value, predicate, why in (
            (annex, {}, "an annex by a preparer"),
            (annex, {"role": "sovereign-admin"}, "an annex without a verdict"),
            (self.good, APPROVER, "an archive by an approver"),
            (self.good, {"verdict": "approved"}, "a preparer with a verdict"),
            (self.good, {"change": "1"}, "a preparer with a change"),
            (self.good, {"role": "auditor"}, "another role"),
            (annex, {**APPROVER, "verdict": "perhaps"}, "another verdict"),
            (annex, {**APPROVER, "change": ""}, "an empty change"),
            (annex, {**APPROVER, "policyDigest": "1" * 64}, "no digest"),
            (self.good, {"signedAt": "2026-11-23T24:00:00Z"}, "no time"),
            (self.good, {"inventorySize": 0}, "no inventory"),
            (self.good, {"inventorySize": 67_108_865}, "a large inventory"),
            (self.good, {"note": "x"}, "an unknown key"),
        ):
            with self.assertRaises(Damaged, msg=why):
                self.verify(archive(self.signer, self.store, value, **predicate))

    def test_a_payload_in_another_form_is_refused(self):
        text = canonical_json.write(self.good)
        good = statement(text)
        slot.read_statement(canonical_json.write(good))
        for path, value, why in (
            (("_type",), "https://in-toto.io/Statement/v0.1", "another statement"),
            (("predicateType",), "https://slsa.dev/provenance/v1", "another predicate"),
            (("subject",), [], "no subject"),
            (("subject",), good["subject"] * 2, "two subjects"),
            (("subject", 0, "name"), "inventory.json", "another subject"),
            (("subject", 0, "digest"), {"sha512": "1" * 128}, "another algorithm"),
            (("subject", 0, "digest", "sha256"), hashlib.sha256(text).hexdigest().upper(), "upper case"),
            (("predicate",), None, "no predicate"),
        ):
            with self.assertRaises(Damaged, msg=why):
                slot.read_statement(canonical_json.write(changed(good, path, value)))


if __name__ == "__main__":
    unittest.main()
