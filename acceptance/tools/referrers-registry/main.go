// Command referrers-registry serves go-containerregistry's in-memory registry
// with the referrers API on 127.0.0.1, at the port given as its only argument.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: referrers-registry <port>")
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], registry.New(registry.WithReferrersSupport(true))))
}
