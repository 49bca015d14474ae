#!/bin/sh
# `make publish`: pushes the image of a release and signs it with the signer
# that is in it: both architectures' images, with their bills of materials as
# attestations, and the index.
set -eu

dist=$1
image=$2
settings=$3
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

printf '> Pushing to %s...\n' "$image"
"$CARGO" build --locked --quiet --example release
"$CARGO_TARGET_DIR/debug/examples/release" push -dist "$dist" -repository "$image" -reports "$reports"

case $(uname -m) in
x86_64) tarball=$(ls "$dist"/signer-v*+linux.x86-64.tgz) ;;
aarch64) tarball=$(ls "$dist"/signer-v*+linux.arm64.tgz) ;;
*)
    printf 'ERROR: dist/ has no signer that runs here\n' >&2
    exit 1
    ;;
esac
tar -xzf "$tarball" -C "$reports" lifecycle/signer
for report in "$reports"/*.toml; do
    printf '> Signing %s...\n' "$(basename "$report" .toml)"
    "$reports/lifecycle/signer" -report "$report" -cosign-config "$settings"
done
