// refregistry is a small OCI registry with the referrers API, the third kind of
// registry of the tests: distribution 2 and 3 know only the fallback tag.
//
// It listens on a free loopback port and prints it as distribution does:
// "listening on 127.0.0.1:PORT". Blobs go to a folder, manifests stay in memory.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	blobs := flag.String("blobs", "", "folder that the blobs are kept in")
	flag.Parse()
	if *blobs == "" {
		log.Fatal("found no -blobs, wanted a folder")
	}
	handler := registry.New(
		registry.WithReferrersSupport(true),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(*blobs)),
	)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	log.Fatal(http.Serve(listener, handler))
}
