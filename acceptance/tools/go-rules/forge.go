package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"log"
	"math/big"
	"net"
	"time"
)

// fields are those of a certificate, in any combination.
type fields struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   validity
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"optional,explicit,omitempty,tag:3"`
}

type validity struct{ NotBefore, NotAfter time.Time }

type whole struct {
	Fields    asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

// signing is how a signature is made.
type signing struct {
	algorithm pkix.AlgorithmIdentifier
	hash      crypto.Hash
	options   crypto.SignerOpts
}

var null = asn1.RawValue{FullBytes: []byte{5, 0}}

func withRSA(last int, hash crypto.Hash) *signing {
	id := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, last}
	return &signing{pkix.AlgorithmIdentifier{Algorithm: id, Parameters: null}, hash, hash}
}

func withECDSA(hash crypto.Hash, last ...int) *signing {
	id := append(asn1.ObjectIdentifier{1, 2, 840, 10045, 4}, last...)
	return &signing{pkix.AlgorithmIdentifier{Algorithm: id}, hash, hash}
}

var (
	ecdsaSHA1   = withECDSA(crypto.SHA1, 1)
	ecdsaSHA256 = withECDSA(crypto.SHA256, 3, 2)
	ecdsaSHA384 = withECDSA(crypto.SHA384, 3, 3)
	ecdsaSHA512 = withECDSA(crypto.SHA512, 3, 4)
	rsaSHA1     = withRSA(5, crypto.SHA1)
	rsaSHA256   = withRSA(11, crypto.SHA256)
	rsaSHA384   = withRSA(12, crypto.SHA384)
	rsaSHA512   = withRSA(13, crypto.SHA512)
	pureEd25519 = &signing{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}, 0, crypto.Hash(0)}
)

// party is a certificate with its key.
type party struct {
	der     []byte
	key     crypto.Signer
	subject asn1.RawValue
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func newKey() crypto.Signer { return curveKey(elliptic.P256()) }

func curveKey(curve elliptic.Curve) crypto.Signer {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func rsaKey(bits int) crypto.Signer { return must(rsa.GenerateKey(rand.Reader, bits)) }

func edKey() crypto.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

// change makes a certificate another one than usual.
type change func(*forgery)

type forgery struct {
	fields
	key     crypto.Signer
	signing *signing
	spoiled bool
}

func name(common string) asn1.RawValue {
	name := pkix.Name{CommonName: common}
	return asn1.RawValue{FullBytes: must(asn1.Marshal(name.ToRDNSequence()))}
}

func usual(key crypto.Signer) *signing {
	switch key.(type) {
	case *rsa.PrivateKey:
		return rsaSHA256
	case ed25519.PrivateKey:
		return pureEd25519
	default:
		return ecdsaSHA256
	}
}

// forge makes a certificate that `issuer` signs, or the party itself.
func forge(common string, issuer *party, changes ...change) *party {
	forgery := forgery{key: nil}
	forgery.Version = 2
	forgery.Serial = big.NewInt(time.Now().UnixNano())
	forgery.Validity = validity{now.AddDate(-5, 0, 0), now.AddDate(5, 0, 0)}
	forgery.Subject = name(common)
	for _, change := range changes {
		change(&forgery)
	}
	if forgery.key == nil {
		forgery.key = newKey()
	}
	made := &party{key: forgery.key, subject: forgery.Subject}
	if issuer == nil {
		issuer = made
	}
	forgery.Issuer = issuer.subject
	if forgery.signing == nil {
		forgery.signing = usual(issuer.key)
	}
	forgery.Algorithm = forgery.signing.algorithm
	forgery.PublicKey.FullBytes = must(x509.MarshalPKIXPublicKey(forgery.key.Public()))
	if forgery.Version == 0 {
		forgery.Extensions = nil
	}
	signed := must(asn1.Marshal(forgery.fields))
	signature := sign(issuer.key, forgery.signing, signed)
	if forgery.spoiled {
		signature[len(signature)-1] ^= 1
	}
	made.der = must(asn1.Marshal(whole{
		asn1.RawValue{FullBytes: signed},
		forgery.Algorithm,
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	}))
	return made
}

func sign(key crypto.Signer, how *signing, message []byte) []byte {
	if how.hash != 0 {
		digest := how.hash.New()
		digest.Write(message)
		message = digest.Sum(nil)
	}
	return must(key.Sign(rand.Reader, message, how.options))
}

// What certificates are made of.

func extension(critical bool, value any, id ...int) change {
	return func(f *forgery) {
		bytes, ok := value.([]byte)
		if !ok {
			bytes = must(asn1.Marshal(value))
		}
		f.Extensions = append(f.Extensions, pkix.Extension{Id: id, Critical: critical, Value: bytes})
	}
}

type constraints struct {
	Authority bool `asn1:"optional"`
	Longest   int  `asn1:"optional,default:-1"`
}

func authority() change { return extension(true, constraints{true, -1}, 2, 5, 29, 19) }

func noAuthority() change { return extension(true, constraints{false, -1}, 2, 5, 29, 19) }

func longest(length int) change { return extension(true, constraints{true, length}, 2, 5, 29, 19) }

func usage(bits byte) change {
	return extension(true, asn1.BitString{Bytes: []byte{bits}, BitLength: 8}, 2, 5, 29, 15)
}

const (
	digitalSignature = 0x80
	certSign         = 0x04
)

var (
	forServers  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	forClients  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	forAnything = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
	forUnknown  = asn1.ObjectIdentifier{1, 2, 3, 4}
)

func purposes(ids ...asn1.ObjectIdentifier) change { return extension(false, ids, 2, 5, 29, 37) }

// general is a name of one of the kinds of GeneralName.
func general(tag int, text []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: text}
}

func dns(text string) asn1.RawValue { return general(2, []byte(text)) }

func address(text string) asn1.RawValue {
	parsed := net.ParseIP(text)
	if short := parsed.To4(); short != nil {
		parsed = short
	}
	return general(7, parsed)
}

func names(all ...asn1.RawValue) change { return extension(false, all, 2, 5, 29, 17) }

type subtree struct{ Base asn1.RawValue }

type limits struct {
	Permitted []subtree `asn1:"optional,omitempty,tag:0"`
	Excluded  []subtree `asn1:"optional,omitempty,tag:1"`
}

func permitted(critical bool, base asn1.RawValue) change {
	return extension(critical, limits{Permitted: []subtree{{base}}}, 2, 5, 29, 30)
}

func excluded(critical bool, base asn1.RawValue) change {
	return extension(critical, limits{Excluded: []subtree{{base}}}, 2, 5, 29, 30)
}

func keyed(key crypto.Signer) change { return func(f *forgery) { f.key = key } }

func signedBy(how *signing) change { return func(f *forgery) { f.signing = how } }

func version(number int) change { return func(f *forgery) { f.Version = number - 1 } }

func serial(number *big.Int) change { return func(f *forgery) { f.Serial = number } }

func expired() change {
	return func(f *forgery) { f.Validity = validity{now.AddDate(-5, 0, 0), now.AddDate(-1, 0, 0)} }
}

func notYet() change {
	return func(f *forgery) { f.Validity = validity{now.AddDate(1, 0, 0), now.AddDate(5, 0, 0)} }
}

func spoiled() change { return func(f *forgery) { f.spoiled = true } }
