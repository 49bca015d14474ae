// Command sigstore-kms-localkms is a plugin by sigstore's own handler of the
// protocol; its keys are files (PKCS#8, PEM), named by path:
//
//	cosign sign --key localkms:///path/of/key.pem …
//
// The one of sigstore's tests is no module, and knows RSA alone.
package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"os"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/handler"
)

// key is a key that exists; files are made by others.
type key struct{ signature.SignerVerifier }

var errNoFactory = errors.New("this plugin makes no keys")

func (key) DefaultAlgorithm() string { return "any" }

func (key) SupportedAlgorithms() []string { return []string{"any"} }

func (key) CreateKey(context.Context, string) (crypto.PublicKey, error) {
	return nil, errNoFactory
}

func (key) CryptoSigner(context.Context, func(error)) (crypto.Signer, crypto.SignerOpts, error) {
	return nil, nil, errNoFactory
}

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		_ = handler.WriteErrorResponse(os.Stdout, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 || arguments[1] != common.ProtocolVersion {
		return fmt.Errorf("not the protocol %s: %q", common.ProtocolVersion, arguments)
	}
	asked, err := handler.GetPluginArgs(arguments)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "localkms:", asked.MethodName, asked.InitOptions.KeyResourceID)
	signer, err := signature.LoadSignerVerifierFromPEMFile(
		asked.InitOptions.KeyResourceID, asked.InitOptions.HashFunc, cryptoutils.SkipPassword)
	if err != nil {
		return err
	}
	// It writes its own errors.
	_, _ = handler.Dispatch(os.Stdout, os.Stdin, asked, key{signer})
	return nil
}
