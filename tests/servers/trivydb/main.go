// trivydb writes a small vulnerability database in the form that Trivy reads (schema 2: a bbolt file and
// metadata.json), with made-up advisories, so that the real scanner runs in tests without a network.
//
//	trivydb -advisories FILE -out CACHE/db [-updated 2026-11-24T00:00:00Z]
//
// FILE is a JSON list of {bucket, package, id, severity, fixed?}. A bucket is what Trivy calls a source of
// advisories for a system: "alpine 3.23", "debian 12". A fixed version that is missing means that there is none.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

type advisory struct {
	Bucket   string `json:"bucket"`
	Package  string `json:"package"`
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Fixed    string `json:"fixed"`
}

// Trivy's own numbers.
var severities = map[string]int{"UNKNOWN": 0, "LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}

func main() {
	advisories := flag.String("advisories", "", "JSON list of advisories")
	out := flag.String("out", "", "folder for trivy.db and metadata.json")
	updated := flag.String("updated", time.Now().UTC().Format(time.RFC3339), "the database's date")
	flag.Parse()
	if err := run(*advisories, *out, *updated); err != nil {
		log.Fatalf("trivydb: %v", err)
	}
}

func run(advisories, out, updated string) error {
	text, err := os.ReadFile(advisories)
	if err != nil {
		return err
	}
	var list []advisory
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, updated)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(out, "trivy.db")); err != nil {
		return err
	}
	database, err := bbolt.Open(filepath.Join(out, "trivy.db"), 0o644, nil)
	if err != nil {
		return err
	}
	err = database.Update(func(tx *bbolt.Tx) error {
		for _, one := range list {
			if err := write(tx, one); err != nil {
				return fmt.Errorf("%s: %w", one.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := database.Close(); err != nil {
		return err
	}
	metadata, err := json.Marshal(map[string]any{
		"Version": 2, "UpdatedAt": at, "NextUpdate": at.Add(24 * time.Hour), "DownloadedAt": at,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "metadata.json"), metadata, 0o644)
}

func write(tx *bbolt.Tx, one advisory) error {
	severity, ok := severities[one.Severity]
	if !ok {
		return fmt.Errorf("found the severity %q", one.Severity)
	}
	fix := map[string]any{}
	if one.Fixed != "" {
		fix["FixedVersion"] = one.Fixed
	}
	source := map[string]string{"ID": "test", "Name": "test advisories", "URL": "https://advisories.invalid/"}
	detail := map[string]any{
		"Title": one.ID, "Description": one.ID, "Severity": one.Severity,
		"VendorSeverity": map[string]int{"nvd": severity},
	}
	for _, entry := range []struct {
		buckets []string
		key     string
		value   any
	}{
		{[]string{one.Bucket, one.Package}, one.ID, fix},
		{[]string{"data-source"}, one.Bucket, source},
		{[]string{"vulnerability"}, one.ID, detail},
	} {
		if err := put(tx, entry.buckets, entry.key, entry.value); err != nil {
			return err
		}
	}
	return nil
}

// put stores a value as JSON under a key in nested buckets, which are made.
func put(tx *bbolt.Tx, buckets []string, key string, value any) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(buckets[0]))
	if err != nil {
		return err
	}
	for _, name := range buckets[1:] {
		if bucket, err = bucket.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return bucket.Put([]byte(key), text)
}
