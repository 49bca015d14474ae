// Command policy-controller-reader verifies an image with the code that
// sigstore's policy-controller runs for an authority, without a cluster:
//
//	reader verify --mode M --key PUB --kind signature|attestation [--type T] IMAGE
//
// The mode is the authority's `signatureFormat`: "legacy" or "bundle". An authority
// without `ctlog` ignores the transparency log.
package main

import (
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/policy-controller/pkg/webhook"
	"github.com/sigstore/policy-controller/pkg/webhook/clusterimagepolicy"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("verify", flag.ExitOnError)
	mode := flags.String("mode", "legacy", "legacy or bundle")
	key := flags.String("key", "", "a public key, PEM")
	kind := flags.String("kind", "", "signature or attestation")
	predicate := flags.String("type", "", "the attestation's predicate type")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	if !slices.Contains([]string{"legacy", "bundle"}, *mode) {
		return fmt.Errorf("no such mode: %q", *mode)
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return err
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(pem)
	if err != nil {
		return err
	}
	image, err := name.ParseReference(flags.Arg(0))
	if err != nil {
		return err
	}
	authority := clusterimagepolicy.Authority{
		Name:            "reader",
		SignatureFormat: *mode,
		// What the policy's JSON is turned into; SHA-256 is its default.
		Key: &clusterimagepolicy.KeyRef{
			PublicKeys:        []crypto.PublicKey{public},
			HashAlgorithm:     "sha256",
			HashAlgorithmCode: crypto.SHA256,
		},
	}
	if *kind == "attestation" {
		wanted := clusterimagepolicy.AttestationPolicy{Name: "wanted", PredicateType: *predicate}
		authority.Attestations = []clusterimagepolicy.AttestationPolicy{wanted}
	}
	policy := clusterimagepolicy.ClusterImagePolicy{
		Authorities: []clusterimagepolicy.Authority{authority},
	}
	result, failures := webhook.ValidatePolicy(context.Background(), "default", image, policy, authn.DefaultKeychain)
	if result == nil {
		return errors.Join(failures...)
	}
	return nil
}
