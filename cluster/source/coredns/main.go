// Command coredns is CoreDNS with the plugins that a cluster and this course need, and no others.
//
// Upstream's own main links every plugin, many of them for cloud services, and is the
// slowest build of the course after Kubernetes itself. The binary behaves as upstream's does
// for every Corefile that names only the plugins below.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/any"
	_ "github.com/coredns/coredns/plugin/autopath"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/debug"
	_ "github.com/coredns/coredns/plugin/erratic"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/header"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/local"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metadata"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/minimal"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/transfer"
	_ "github.com/coredns/coredns/plugin/whoami"
)

// A query passes the plugins in this order, whatever the order in the Corefile.
// It is the order of upstream's plugin.cfg.
var order = []string{
	"metadata", "reload", "bind", "debug", "ready", "health", "prometheus", "errors", "log", "local",
	"any", "loadbalance", "rewrite", "autopath", "acl", "cache", "header", "minimal", "template",
	"transfer", "hosts", "kubernetes", "file", "loop", "forward", "erratic", "whoami",
}

func main() {
	dnsserver.Directives = order
	coremain.Run()
}
