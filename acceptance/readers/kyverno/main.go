// Command kyverno-reader verifies an image with the code that Kyverno's
// admission controller runs for it, without a cluster:
//
//	reader verify --mode M --key PUB --kind signature|attestation [--type T] IMAGE
//
// The mode is that of the policy: "Cosign" and "SigstoreBundle" are the values of
// `verifyImages[].type` of a ClusterPolicy. The transparency log is ignored.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/kyverno/kyverno/pkg/image/verifiers"
	"github.com/kyverno/kyverno/pkg/image/verifiers/cpol/cosign"
)

// registry is the part of Kyverno's registry client that its verifiers use; the
// controller's own adds pull secrets.
type registry struct{}

func (registry) NameOptions() []name.Option { return nil }

func (registry) Options(ctx context.Context) ([]remote.Option, []name.Option, error) {
	return []remote.Option{remote.WithContext(ctx)}, nil, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("verify", flag.ExitOnError)
	mode := flags.String("mode", "", "Cosign or SigstoreBundle")
	key := flags.String("key", "", "a public key, PEM")
	kind := flags.String("kind", "", "signature or attestation")
	predicate := flags.String("type", "", "the attestation's predicate type")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return err
	}
	options := verifiers.Options{
		SigstoreBundle: *mode == "SigstoreBundle",
		ImageRef:       flags.Arg(0),
		Client:         registry{},
		Key:            string(pem),
		IgnoreTlog:     true,
		IgnoreSCT:      true,
	}
	if *kind == "signature" {
		_, err := cosign.NewVerifier().VerifySignature(context.Background(), options)
		return err
	}
	options.FetchAttestations = true
	options.Type = *predicate
	found, err := cosign.NewVerifier().FetchAttestations(context.Background(), options)
	if err != nil {
		return err
	}
	// The engine looks for the statements of the policy's type among these.
	for _, statement := range found.Statements {
		if statement["predicateType"] == *predicate {
			return nil
		}
	}
	return fmt.Errorf("none of %d attestations is a %s", len(found.Statements), *predicate)
}
