// Command kyverno-reader verifies an image with the code that Kyverno's
// admission controller runs for it, without a cluster:
//
//	reader verify --mode M --key PUB|--roots PEM --identity NAME --kind signature|attestation [--type T]
//	    [--rekor-key PUB] [--tsa-chain PEM] IMAGE
//
// The modes: "Cosign" and "SigstoreBundle" are the values of `verifyImages[].type`
// of a ClusterPolicy, "ImageValidatingPolicy" is the other kind of policy. The
// transparency log is ignored, unless its key is given; so are promises of
// certificate logs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/go-logr/logr"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	policies "github.com/kyverno/api/api/policies.kyverno.io/v1beta1"
	"github.com/kyverno/kyverno/pkg/image/verifiers"
	clusterpolicy "github.com/kyverno/kyverno/pkg/image/verifiers/cpol/cosign"
	imagepolicy "github.com/kyverno/kyverno/pkg/image/verifiers/ivpol/cosign"
	"github.com/kyverno/sdk/extensions/imagedataloader"
)

// question is what the command line asks.
type question struct {
	mode, key, roots, identity, predicate, image string
	rekor, timestamps                            string
	attestation                                  bool
}

func main() {
	asked, err := parse()
	if err == nil && asked.mode == "ImageValidatingPolicy" {
		err = asImagePolicy(context.Background(), asked)
	} else if err == nil {
		err = asClusterPolicy(context.Background(), asked)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse() (question, error) {
	flags := flag.NewFlagSet("verify", flag.ExitOnError)
	mode := flags.String("mode", "", "Cosign, SigstoreBundle or ImageValidatingPolicy")
	key := flags.String("key", "", "a public key, PEM")
	roots := flags.String("roots", "", "certificates of authorities instead of a key, PEM")
	identity := flags.String("identity", "", "the name in the certificate")
	rekor := flags.String("rekor-key", "", "the key of a log that must have an entry, PEM")
	timestamps := flags.String("tsa-chain", "", "the certificates of a timestamp authority, PEM")
	kind := flags.String("kind", "", "signature or attestation")
	predicate := flags.String("type", "", "the attestation's predicate type")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return question{}, err
	}
	if !slices.Contains([]string{"Cosign", "SigstoreBundle", "ImageValidatingPolicy"}, *mode) {
		return question{}, fmt.Errorf("no such mode: %q", *mode)
	}
	asked := question{mode: *mode, identity: *identity, predicate: *predicate, image: flags.Arg(0), attestation: *kind == "attestation"}
	for path, text := range map[*string]*string{
		key: &asked.key, roots: &asked.roots, rekor: &asked.rekor, timestamps: &asked.timestamps,
	} {
		if *path == "" {
			continue
		}
		pem, err := os.ReadFile(*path)
		if err != nil {
			return question{}, err
		}
		*text = string(pem)
	}
	return asked, nil
}

// registry is the part of Kyverno's registry client that its verifiers use; the
// controller's own adds pull secrets.
type registry struct{}

func (registry) NameOptions() []name.Option { return nil }

func (registry) Options(ctx context.Context) ([]remote.Option, []name.Option, error) {
	return []remote.Option{remote.WithContext(ctx)}, nil, nil
}

func asClusterPolicy(ctx context.Context, asked question) error {
	options := verifiers.Options{
		SigstoreBundle: asked.mode == "SigstoreBundle",
		ImageRef:       asked.image,
		Client:         registry{},
		Key:            asked.key,
		Roots:          asked.roots,
		IgnoreTlog:     asked.rekor == "",
		RekorPubKey:    asked.rekor,
		RekorURL:       "http://127.0.0.1:9", // never asked: entries are offline
		IgnoreSCT:      true,
		TSACertChain:   asked.timestamps,
	}
	if asked.roots != "" {
		options.Subject, options.IssuerRegExp = asked.identity, ".*"
	}
	if !asked.attestation {
		_, err := clusterpolicy.NewVerifier().VerifySignature(ctx, options)
		return err
	}
	options.FetchAttestations = true
	options.Type = asked.predicate
	found, err := clusterpolicy.NewVerifier().FetchAttestations(ctx, options)
	if err != nil {
		return err
	}
	// The engine looks for the statements of the policy's type among these.
	for _, statement := range found.Statements {
		if statement["predicateType"] == asked.predicate {
			return nil
		}
	}
	return fmt.Errorf("none of %d attestations is a %s", len(found.Statements), asked.predicate)
}

func asImagePolicy(ctx context.Context, asked question) error {
	loader, err := imagedataloader.New(nil, nil, nil)
	if err != nil {
		return err
	}
	image, err := loader.FetchImageData(ctx, asked.image, nil, nil)
	if err != nil {
		return err
	}
	attestor := &policies.Attestor{
		Name: "reader",
		Cosign: &policies.Cosign{
			Key:   &policies.Key{Data: asked.key},
			CTLog: &policies.CTLog{InsecureIgnoreTlog: true, InsecureIgnoreSCT: true},
		},
	}
	verifier := imagepolicy.NewVerifier(nil, logr.Discard())
	if !asked.attestation {
		return verifier.VerifyImageSignature(ctx, image, attestor)
	}
	attestation := &policies.Attestation{
		Name:   "wanted",
		InToto: &policies.InToto{Type: asked.predicate},
	}
	return verifier.VerifyAttestationSignature(ctx, image, attestation, attestor)
}
