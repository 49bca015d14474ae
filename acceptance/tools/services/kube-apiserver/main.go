// Command kube-apiserver is Kubernetes' own, of whose module no program can be
// installed as it is: its requirements are replaced by each other.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
