#!/bin/sh
# Makes the files beside it: an authority of OpenSSL's, and its answers.
set -eu
to=$(dirname "$(realpath "$0")")
cd "$(mktemp -d)"
cat >c.cnf <<'END'
[req]
distinguished_name = dn
prompt = no
[dn]
CN = x
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[int]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
extendedKeyUsage = timeStamping
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[t]
serial = serial
default_policy = 1.2.3.4
digests = sha256,sha384,sha512
accuracy = secs:1,millisecs:500,microsecs:100
ordering = yes
tsa_name = yes
ess_cert_id_alg = sha256
clock_precision_digits = 6
[sha1]
serial = serial
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha1
END
echo 01 >serial
printf stamped >message
p384="-newkey ec -pkeyopt ec_paramgen_curve:P-384"
# shellcheck disable=SC2086
openssl req -config c.cnf -x509 $p384 -nodes -keyout root.key -subj "/O=signer/CN=root of times" \
	-extensions root -days 7300 -sha384 -out root.pem
issued() { # name, common name, extensions, issuer, serial, key
	name=$1 common=$2 extensions=$3 issuer=$4 number=$5
	shift 5
	openssl req -config c.cnf -new "$@" -nodes -keyout "$name.key" -subj "/O=signer/CN=$common" -out r.csr
	openssl x509 -req -in r.csr -CA "$issuer.pem" -CAkey "$issuer.key" -set_serial "$number" \
		-extfile c.cnf -extensions "$extensions" -days 7300 -sha384 -out "$name.pem"
}
# shellcheck disable=SC2086
issued int "issuer of times" int root 2 $p384
issued rsa "rsa stamps times" leaf int 0x8000000000000003 -newkey rsa:2048
# shellcheck disable=SC2086
issued p384 "p384 stamps times" leaf int 4 $p384
stamp() { # file, key, hash, section, more of the query
	file=$1 key=$2 hash=$3 section=$4
	shift 4
	openssl ts -query -config c.cnf -data message "$@" -out q.tsq
	openssl ts -reply -config c.cnf -section "$section" -queryfile q.tsq \
		-signer "$key.pem" -inkey "$key.key" -chain int.pem "-$hash" -out "$to/$file.tsr"
}
stamp rsa-sha512 rsa sha512 t -sha512
stamp rsa-sha256-cert rsa sha256 t -sha256 -cert
stamp p384-sha384 p384 sha384 t -sha384
stamp p384-sha256-cert p384 sha256 t -sha256 -cert
stamp by-sha1 rsa sha256 sha1 -sha256 -cert
stamp refused rsa sha256 t -md5
cat int.pem root.pem >"$to/issuers.pem"
cp rsa.pem p384.pem "$to"
