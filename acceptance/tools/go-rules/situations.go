package main

import (
	"crypto/elliptic"
	"math/big"
)

const host = "registry.example"

var (
	itsName  = names(dns(host))
	unknown  = extension(true, []byte{5, 0}, 1, 2, 3, 4)
	policies = extension(true, []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3}, 2, 5, 29, 32)
)

// table collects situations.
type table []situation

func (t *table) add(name, host string, roots []*party, shown ...*party) {
	one := situation{Name: name, Host: host, Roots: [][]byte{}}
	for _, root := range roots {
		one.Roots = append(one.Roots, root.der)
	}
	for _, party := range shown {
		one.Shown = append(one.Shown, party.der)
	}
	*t = append(*t, one)
}

func root(changes ...change) *party {
	return forge("root", nil, append([]change{authority()}, changes...)...)
}

func situations() []situation {
	var all table
	all.ownRoots()
	all.leaves()
	all.hosts()
	all.intermediates()
	all.roots()
	all.constraints()
	all.algorithms()
	return all
}

// ownRoots are certificates that are shown and trusted.
func (t *table) ownRoots() {
	own := func(name string, changes ...change) {
		one := forge("own", nil, changes...)
		t.add("own root: "+name, host, []*party{one}, one)
	}
	own("authority", itsName, authority())
	own("no authority", itsName, noAuthority())
	own("no constraints", itsName)
	own("authority, longest path 0", itsName, longest(0))
	own("other name", names(dns("other.example")), authority())
	own("no name", authority())
	own("expired", itsName, authority(), expired())
	own("not yet valid", itsName, authority(), notYet())
	own("for clients", itsName, authority(), purposes(forClients))
	own("for servers", itsName, authority(), purposes(forServers))
	own("for both", itsName, authority(), purposes(forClients, forServers))
	own("for anything", itsName, authority(), purposes(forAnything))
	own("for something unknown", itsName, authority(), purposes(forUnknown))
	own("unknown critical extension", itsName, authority(), unknown)
	own("critical policies", itsName, authority(), policies)
	own("sha-1", itsName, authority(), signedBy(ecdsaSHA1))
	own("bad signature", itsName, authority(), spoiled())
	own("negative serial", itsName, authority(), serial(big.NewInt(-7)))
	own("version 1", version(1))
	own("cannot sign certificates", itsName, authority(), usage(digitalSignature))
	own("name constraints for others", itsName, authority(), permitted(true, dns("other.example")))
	own("rsa 2048", itsName, authority(), keyed(rsaKey(2048)))
	own("ed25519", itsName, authority(), keyed(edKey()))

	stranger := forge("own", nil, itsName, authority())
	t.add("own root: not trusted", host, []*party{root()}, stranger)
	t.add("own root: no roots", host, nil, stranger)
	same := forge("own", nil, itsName, authority(), keyed(stranger.key))
	t.add("own root: same name and key, other certificate", host, []*party{same}, stranger)
	lost := root()
	leaf := forge("leaf", lost, itsName)
	t.add("own root: leaf of an authority that is not", host, []*party{leaf}, leaf)
	t.add("own root: leaf whose authority is one too", host, []*party{leaf, lost}, leaf)
	t.add("own root: and more shown", host, []*party{leaf}, leaf, lost)
}

// leaves are of a private root.
func (t *table) leaves() {
	authorityOf := root()
	leaf := func(name string, changes ...change) {
		one := forge("leaf", authorityOf, changes...)
		t.add("leaf: "+name, host, []*party{authorityOf}, one)
	}
	leaf("plain", itsName)
	leaf("authority", itsName, authority())
	leaf("authority, longest path 0", itsName, longest(0))
	leaf("authority for servers", itsName, authority(), purposes(forServers))
	leaf("authority for clients", itsName, authority(), purposes(forClients))
	leaf("authority, other name", names(dns("other.example")), authority())
	leaf("authority, expired", itsName, authority(), expired())
	leaf("authority, bad signature", itsName, authority(), spoiled())
	leaf("no authority", itsName, noAuthority())
	leaf("for anything", itsName, purposes(forAnything))
	leaf("for clients and anything", itsName, purposes(forClients, forAnything))
	leaf("for clients", itsName, purposes(forClients))
	leaf("for servers", itsName, purposes(forServers))
	leaf("for something unknown", itsName, purposes(forUnknown))
	leaf("for something unknown and servers", itsName, purposes(forUnknown, forServers))
	leaf("expired", itsName, expired())
	leaf("not yet valid", itsName, notYet())
	leaf("unknown critical extension", itsName, unknown)
	leaf("critical policies", itsName, policies)
	leaf("an extension twice", itsName, itsName)
	leaf("negative serial", itsName, serial(big.NewInt(-7)))
	leaf("serial 0", itsName, serial(big.NewInt(0)))
	leaf("long serial", itsName, serial(new(big.Int).Lsh(big.NewInt(1), 200)))
	leaf("version 1", version(1))
	leaf("version 2", itsName, version(2))
	leaf("version 4", itsName, version(4))
	leaf("usage digital signature", itsName, usage(digitalSignature))
	leaf("usage certificates", itsName, usage(certSign))
	leaf("bad signature", itsName, spoiled())
	leaf("no name but the common one")
	leaf("no name but of mail", names(general(1, []byte("a@registry.example"))))
	leaf("no names", names())
	short := root(func(f *forgery) { f.Extensions = nil }, longest(0))
	one := forge("leaf", short, itsName, authority())
	t.add("leaf: authority below one with longest path 0", host, []*party{short}, one)
	stranger := forge("leaf", root(), itsName)
	t.add("leaf: of a stranger with the root's name", host, []*party{authorityOf}, stranger)
}

// hosts are asked of a certificate with a name.
func (t *table) hosts() {
	authorityOf := root()
	for _, pair := range [][2]string{
		{"registry.example", "registry.example"}, {"REGISTRY.example", "registry.example"},
		{"registry.example", "registry.example."}, {"registry.example.", "registry.example"},
		{"registry.example.", "registry.example."}, {"*.example", "registry.example"},
		{"*.example", "a.registry.example"}, {"*.example", "example"}, {"*.registry.example", "a.registry.example"},
		{"*.registry.example", "registry.example"}, {"*.registry.example", "a.b.registry.example"},
		{"r*.example", "registry.example"}, {"*y.example", "registry.example"}, {"registry.*", "registry.example"},
		{"*", "registry"}, {"*", "registry.example"}, {"*.local", "registry.local"}, {"*.*.example", "a.b.example"},
		{"registry", "registry"}, {"my_registry.example", "my_registry.example"}, {"*.example", "my_registry.example"},
		{"", "registry.example"}, {".example", "registry.example"}, {"-a.example", "-a.example"},
		{"a-.example", "a-.example"}, {"127.0.0.1", "127.0.0.1"}, {"xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
		{"*.xn--mnchen-3ya.example", "a.xn--mnchen-3ya.example"}, {"registry.example.evil", "registry.example"},
		{"*.example", "xn--mnchen-3ya.example"}, {"*.EXAMPLE", "registry.example"},
	} {
		one := forge("leaf", authorityOf, names(dns(pair[0])))
		t.add("name "+pair[0], pair[1], []*party{authorityOf}, one)
	}
	for _, pair := range [][2]string{
		{"10.1.2.3", "10.1.2.3"}, {"10.1.2.3", "10.1.2.4"}, {"::1", "::1"}, {"2001:db8::1", "2001:db8::1"},
		{"10.1.2.3", "::ffff:10.1.2.3"}, {"10.1.2.3", "registry.example"},
	} {
		one := forge("leaf", authorityOf, names(address(pair[0])))
		t.add("address "+pair[0], pair[1], []*party{authorityOf}, one)
	}
	many := forge("leaf", authorityOf, names(dns("a.example"), address("10.1.2.3"), dns("registry.example")))
	t.add("one name of several", host, []*party{authorityOf}, many)
	odd := forge("leaf", authorityOf, names(general(7, []byte{1, 2, 3}), dns(host)))
	t.add("an address of three octets", host, []*party{authorityOf}, odd)
}

func (t *table) intermediates() {
	top := root()
	trusted := []*party{top}
	middle := func(name string, changes ...change) {
		one := forge("middle", top, changes...)
		t.add("intermediate: "+name, host, trusted, forge("leaf", one, itsName), one)
	}
	middle("plain", authority())
	middle("no authority", noAuthority())
	middle("no constraints")
	middle("expired", authority(), expired())
	middle("not yet valid", authority(), notYet())
	middle("signs certificates", authority(), usage(certSign))
	middle("signs no certificates", authority(), usage(digitalSignature))
	middle("for clients", authority(), purposes(forClients))
	middle("for servers", authority(), purposes(forServers))
	middle("for anything", authority(), purposes(forAnything))
	middle("unknown critical extension", authority(), unknown)
	middle("critical policies", authority(), policies)
	middle("version 1", version(1))
	middle("negative serial", authority(), serial(big.NewInt(-7)))
	middle("bad signature", authority(), spoiled())
	middle("longest path 0", longest(0))
	middle("sha-1", authority(), signedBy(ecdsaSHA1))

	one := forge("middle", top, authority())
	leaf := forge("leaf", one, itsName)
	t.add("intermediate: not shown", host, trusted, leaf)
	t.add("intermediate: trusted itself", host, []*party{one}, leaf)
	t.add("intermediate: with its root", host, trusted, leaf, one, top)
	t.add("intermediate: in another order", host, trusted, leaf, top, one)
	t.add("intermediate: with a stranger's", host, trusted, leaf, forge("middle", root(), authority()), one)
	t.add("intermediate: leaf twice", host, trusted, leaf, leaf, one)
	stale := forge("middle", top, authority(), expired(), keyed(one.key))
	t.add("intermediate: expired, and another that is not", host, trusted, leaf, stale, one)
	t.add("intermediate: another that is not, and expired", host, trusted, leaf, one, stale)
	asLeaf := forge("leaf", one, itsName, authority())
	t.add("intermediate: and a leaf that is an authority", host, trusted, asLeaf, one)
	anything := forge("leaf", one, itsName, authority(), purposes(forAnything))
	t.add("intermediate: and a leaf for anything that is an authority", host, trusted, anything, one)
	plain := forge("leaf", top, itsName)
	t.add("intermediate: the leaf is none", host, trusted, forge("below", plain, itsName), plain)

	for _, length := range []int{0, 1} {
		first := forge("first", top, longest(length))
		second := forge("second", first, authority())
		below := forge("leaf", second, itsName)
		number := big.NewInt(int64(length)).String()
		t.add("intermediate: two below a longest path of "+number, host, trusted, below, second, first)
	}
	parent, chain := top, []*party{}
	for range 5 {
		parent = forge("level"+big.NewInt(int64(len(chain))).String(), parent, authority())
		chain = append([]*party{parent}, chain...)
	}
	deep := append([]*party{forge("leaf", parent, itsName)}, chain...)
	t.add("intermediate: five", host, trusted, deep...)
}

func (t *table) roots() {
	of := func(name string, top *party, changes ...change) {
		t.add("root: "+name, host, []*party{top}, forge("leaf", top, append(changes, itsName)...))
	}
	of("expired", root(expired()))
	of("not yet valid", root(notYet()))
	of("no authority", forge("root", nil, noAuthority()))
	of("no constraints", forge("root", nil))
	of("version 1", forge("root", nil, version(1)))
	of("version 1, expired", forge("root", nil, version(1), expired()))
	of("signs certificates", root(usage(certSign)))
	of("signs no certificates", root(usage(digitalSignature)))
	of("for clients", root(purposes(forClients)))
	of("for servers", root(purposes(forServers)))
	of("for anything", root(purposes(forAnything)))
	of("unknown critical extension", root(unknown))
	of("negative serial", root(serial(big.NewInt(-7))))
	of("sha-1", root(signedBy(ecdsaSHA1)))
	of("bad signature", root(spoiled()))
	of("longest path 0", forge("root", nil, longest(0)))
	good := root()
	stale := root(expired(), keyed(good.key))
	leaf := forge("leaf", good, itsName)
	t.add("root: expired, and the same that is not", host, []*party{stale, good}, leaf)
	renewed := root()
	t.add("root: another key of the same name", host, []*party{renewed}, leaf)
	t.add("root: both keys of the name", host, []*party{renewed, good}, leaf)
	short := forge("root", nil, longest(0))
	middle := forge("middle", short, authority())
	t.add("root: longest path 0 and an intermediate", host, []*party{short}, forge("leaf", middle, itsName), middle)
	old := root()
	cross := forge("root", old, authority(), keyed(good.key))
	t.add("root: cross-signed, old one trusted", host, []*party{old}, leaf, cross)
	t.add("root: cross-signed, new one trusted", host, []*party{good}, leaf, cross)
}

func (t *table) constraints() {
	type pair struct {
		name  string
		limit func(bool) change
		names change
	}
	allow := func(base string) func(bool) change {
		return func(critical bool) change { return permitted(critical, dns(base)) }
	}
	forbid := func(base string) func(bool) change {
		return func(critical bool) change { return excluded(critical, dns(base)) }
	}
	network := func(b ...byte) func(bool) change {
		return func(critical bool) change { return permitted(critical, general(7, b)) }
	}
	for _, one := range []pair{
		{"allows it", allow("registry.example"), itsName},
		{"allows above it", allow("example"), itsName},
		{"allows below .example", allow(".example"), itsName},
		{"allows below it", allow(".registry.example"), itsName},
		{"allows others", allow("other.example"), itsName},
		{"allows half a label", allow("istry.example"), itsName},
		{"allows everything", allow(""), itsName},
		{"allows one of its names", allow("registry.example"), names(dns(host), dns("other.test"))},
		{"allows it in capitals", allow("REGISTRY.example"), itsName},
		{"forbids it", forbid("registry.example"), itsName},
		{"forbids above it", forbid("example"), itsName},
		{"forbids others", forbid("other.example"), itsName},
		{"forbids everything", forbid(""), itsName},
		{"forbids what a wildcard covers", forbid("bad.example"), names(dns("*.example"))},
		{"allows less than a wildcard", allow("registry.example"), names(dns("*.example"))},
		{"allows as much as a wildcard", allow("example"), names(dns("*.example"))},
		{"allows a network, name is none", network(10, 0, 0, 0, 255, 0, 0, 0), itsName},
		{"allows a network and more", network(10, 0, 0, 0, 255, 0, 0, 0), names(dns(host), address("10.1.2.3"))},
		{"allows another network", network(11, 0, 0, 0, 255, 0, 0, 0), names(dns(host), address("10.1.2.3"))},
	} {
		for _, critical := range []bool{true, false} {
			word := map[bool]string{true: ", critical", false: ""}[critical]
			top := root(one.limit(critical))
			t.add("constraint of a root "+one.name+word, host, []*party{top}, forge("leaf", top, one.names))
		}
		top := root()
		middle := forge("middle", top, authority(), one.limit(true))
		t.add("constraint of an intermediate "+one.name, host, []*party{top}, forge("leaf", middle, one.names), middle)
		t.add("constraint of an intermediate "+one.name+", leaf is an authority", host, []*party{top},
			forge("leaf", middle, one.names, authority()), middle)
	}
}

func (t *table) algorithms() {
	p256 := root()
	of := func(name string, top *party, changes ...change) {
		t.add("algorithm: "+name, host, []*party{top}, forge("leaf", top, append(changes, itsName)...))
	}
	of("p-256 with sha-1", p256, signedBy(ecdsaSHA1))
	of("p-256 with sha-384", p256, signedBy(ecdsaSHA384))
	of("p-256 with sha-512", p256, signedBy(ecdsaSHA512))
	p384, p521 := root(keyed(curveKey(elliptic.P384()))), root(keyed(curveKey(elliptic.P521())))
	of("p-384 with sha-256", p384)
	of("p-384 with sha-384", p384, signedBy(ecdsaSHA384))
	of("p-384 with sha-512", p384, signedBy(ecdsaSHA512))
	of("p-521 with sha-256", p521)
	of("p-521 with sha-512", p521, signedBy(ecdsaSHA512))
	of("ed25519", root(keyed(edKey())))
	of("leaf with p-521", p256, keyed(curveKey(elliptic.P521())))
	of("leaf with ed25519", p256, keyed(edKey()))
	of("leaf with rsa 2048", p256, keyed(rsaKey(2048)))
	of("leaf with rsa 1024", p256, keyed(rsaKey(1024)))
	rsa2048 := root(keyed(rsaKey(2048)))
	of("rsa 2048 with sha-1", rsa2048, signedBy(rsaSHA1))
	of("rsa 2048 with sha-256", rsa2048)
	of("rsa 2048 with sha-384", rsa2048, signedBy(rsaSHA384))
	of("rsa 2048 with sha-512", rsa2048, signedBy(rsaSHA512))
	of("rsa 1024 with sha-256", root(keyed(rsaKey(1024))))
	of("rsa 4096 with sha-256", root(keyed(rsaKey(4096))))
	of("an authority as leaf, rsa", rsa2048, authority())
	of("an authority as leaf, ed25519", root(keyed(edKey())), authority())
}
