#!/bin/sh
# Certificates that openssl made: one root of version 1, one intermediate, and one
# leaf for each kind of key. The keys are thrown away.
set -eu
keys=$(mktemp -d)
trap 'rm -r "$keys"' EXIT
key() { name=$1; shift; openssl genpkey -out "$keys/$name.key" "$@" 2>/dev/null; }
key root -algorithm EC -pkeyopt ec_paramgen_curve:P-384
key intermediate -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
key p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
key rsa3072 -algorithm RSA -pkeyopt rsa_keygen_bits:3072
key ed25519 -algorithm ED25519
openssl req -new -key "$keys/root.key" -subj '/O=Example/CN=Root' -out "$keys/root.csr"
openssl x509 -req -in "$keys/root.csr" -key "$keys/root.key" -days 36500 -sha384 -out root-v1.pem
cat >"$keys/extensions" <<'END'
[intermediate]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
extendedKeyUsage = codeSigning
[leaf]
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = critical,email:a@example.com,URI:https://example.com/w@refs/heads/main,DNS:example.com,IP:192.0.2.1,IP:2001:db8::1,dirName:there,otherName:1.3.6.1.4.1.57264.1.7;UTF8:user!example.com
[there]
CN = Somebody
END
issue() { # name section issuer-certificate issuer-key hash
	openssl req -new -key "$keys/$1.key" -subj "/CN=$1" -out "$keys/$1.csr"
	openssl x509 -req -in "$keys/$1.csr" -CA "$3" -CAkey "$keys/$4.key" -days 36400 \
		-extfile "$keys/extensions" -extensions "$2" "-$5" -out "$1.pem"
}
issue intermediate intermediate root-v1.pem root sha384
issue p256 leaf intermediate.pem intermediate sha256
issue p384 leaf intermediate.pem intermediate sha384
issue p521 leaf intermediate.pem intermediate sha512
issue rsa3072 leaf intermediate.pem intermediate sha256
issue ed25519 leaf intermediate.pem intermediate sha256
