// Command vault is HashiCorp Vault's core with its transit engine and AppRole
// logins, in memory, unsealed, and gone with the process:
//
//	vault -listen 127.0.0.1:8200 -root-token root
//
// It prints the one key share, which unseals it again, and `ready` once it answers.
package main

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8200", "address and port")
	root := flag.String("root-token", "root", "the token of the one who may do everything")
	flag.Parse()
	if err := serve(*listen, *root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(listen, root string) error {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    noPlugins{},
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
	})
	if err != nil {
		return err
	}
	share, err := open(core, root)
	if err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core: core, ListenerConfig: &configutil.Listener{},
	})
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("share", base64.StdEncoding.EncodeToString(share))
	fmt.Println("ready", listener.Addr())
	return http.Serve(listener, handler)
}

// open initialises and unseals the core, makes the root token, and mounts the
// transit engine and AppRole where everybody has them. It returns the key share.
func open(core *vault.Core, root string) ([]byte, error) {
	ctx := namespace.RootContext(context.Background())
	config := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: config})
	if err != nil {
		return nil, err
	}
	share := made.SecretShares[0]
	// Unsealing wipes what it is given.
	if _, err := core.Unseal(append([]byte(nil), share...)); err != nil {
		return nil, err
	}
	for path, data := range map[string]map[string]any{
		"auth/token/create":  {"id": root, "policies": []string{"root"}, "no_parent": true},
		"sys/mounts/transit": {"type": "transit"},
		"sys/auth/approle":   {"type": "approle"},
	} {
		request := &logical.Request{
			Operation: logical.UpdateOperation, ClientToken: made.RootToken, Path: path, Data: data,
		}
		if answer, err := core.HandleRequest(ctx, request); err != nil || answer.IsError() {
			return nil, fmt.Errorf("%s: %v %v", path, answer, err)
		}
	}
	return share, nil
}

// noPlugins is the registry of the plugins that are built in: none.
type noPlugins struct{}

func (noPlugins) Contains(string, consts.PluginType) bool { return false }

func (noPlugins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}

func (noPlugins) Keys(consts.PluginType) []string { return nil }

func (noPlugins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (noPlugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
