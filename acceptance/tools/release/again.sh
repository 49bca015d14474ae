#!/bin/sh
# `make release-check`: makes the release of the same commit in another folder,
# with another home for Cargo, and compares.
set -eu

dist=$(cd "$1" && pwd -P)
here=$(pwd -P)
commit=$(sed -n 's/^signer .*, commit //p' "$dist/BUILD.txt")
case $commit in *.modified)
    printf 'ERROR: dist/ has changes that are in no commit: another folder would not have them\n' >&2
    exit 1
    ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
again="$folder/a folder with another, longer name"
git clone --quiet --no-hardlinks "$here" "$again"
git -C "$again" checkout --quiet "$commit"

# The tools, the sources of the crates and the compilers are the same files,
# reached by other paths.
ln -s "$here/.tools" "$again/.tools"
mkdir "$folder/cargo"
home=${CARGO_HOME:-$HOME/.cargo}
for entry in registry config.toml; do
    [ ! -e "$home/$entry" ] || ln -s "$home/$entry" "$folder/cargo/"
done
RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
export RUSTUP_HOME
# That packing depends on nothing else has tests of its own.
PACKER=$(cd "$CARGO_TARGET_DIR" && pwd -P)/debug/examples/release
export PACKER
CARGO_HOME="$folder/cargo" make -C "$again" --no-print-directory release \
    CC_AMD64="$CC_AMD64" CC_ARM64="$CC_ARM64" ROOTS="$ROOTS" CARGO_TARGET_DIR=target

diff -r "$dist" "$again/dist"
printf '> Both are the same: %s files, %s\n' \
    "$(find "$dist" -type f | wc -l)" "$(sha256sum <"$dist/SHA256SUMS" | cut -c 1-64)"
