#!/bin/sh
# `make release`: builds the programs and packs them into the folder given.
#
# The bytes depend on the commit, on the compilers and on nothing else: not on
# the folder, the user, the time or the machine's name. `make release-check`
# proves it.
set -eu

dist=$1
here=$(pwd -P)
target_dir=$CARGO_TARGET_DIR
amd64=x86_64-unknown-linux-musl
arm64=aarch64-unknown-linux-musl

step() { printf '> %s...\n' "$*"; }
missing() {
    printf 'ERROR: %s\n' "$*" >&2
    exit 1
}

for tool in git rustup; do
    command -v "$tool" >/dev/null || missing "$tool is not installed"
done
command -v "$CC_AMD64" >/dev/null ||
    missing "the C compiler \`$CC_AMD64\` is not installed (Debian: apt-get install gcc libc6-dev), or CC_AMD64 names another"
command -v "$CC_ARM64" >/dev/null ||
    missing "the C compiler \`$CC_ARM64\` is not installed (Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross), or CC_ARM64 names another"

# The commit, its time, and whether this is it.
revision=$(git rev-parse HEAD)
SCM_COMMIT=$(git rev-parse --short=12 HEAD)
if [ -n "$(git status --porcelain)" ]; then
    printf 'Warning: there are changes that are in no commit; the version says "modified"\n' >&2
    SCM_COMMIT=$SCM_COMMIT.modified
    revision=$revision.modified
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

# PACKER: one that is built already.
if [ -z "${PACKER:-}" ]; then
    step "Building the packer"
    "$CARGO" build --locked --example release
    PACKER=$target_dir/debug/examples/release
fi
pack() { "$PACKER" "$@"; }
# Refuses a version that CHANGELOG.md does not describe, before the long part.
pack notes >/dev/null

step "Adding the targets of Rust $SIGNER_RUST"
export SCM_COMMIT SOURCE_DATE_EPOCH
export RUSTUP_TOOLCHAIN="$SIGNER_RUST"
rustup toolchain list | grep -q "^$SIGNER_RUST" ||
    rustup toolchain install --profile minimal "$SIGNER_RUST"
rustup target add $amd64 $arm64

# Folders of this machine are written as these names. Paths with spaces are
# allowed: the flags are parted by the unit separator.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
mkdir -p "$target_dir"
target=$(cd "$target_dir" && pwd -P)
CARGO_ENCODED_RUSTFLAGS=$(printf -- '--remap-path-prefix=%s=/signer\037--remap-path-prefix=%s=/target\037--remap-path-prefix=%s=/cargo' \
    "$here" "$target" "$cargo_home")
# The program is loaded at any address. Packed, the table of what changes with it
# takes 1 kB in place of 0.3 MB; the C library inside reads it (musl from 1.2.4).
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037-Clink-arg=-z\037-Clink-arg=pack-relative-relocs' "$CARGO_ENCODED_RUSTFLAGS")
export CARGO_ENCODED_RUSTFLAGS
# Headers of glibc that are fortified name functions that musl does not have.
# (A home for Cargo must have no space in its name: these flags are parted by one.)
c_flags="-U_FORTIFY_SOURCE -ffile-prefix-map=$cargo_home=/cargo"
export CFLAGS_x86_64_unknown_linux_musl="$c_flags"
export CFLAGS_aarch64_unknown_linux_musl="$c_flags"
export CC_x86_64_unknown_linux_musl="$CC_AMD64"
export CC_aarch64_unknown_linux_musl="$CC_ARM64"
# Rust's own linker and C library for both: nothing of the machine gets in.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld

step "Building signer for amd64 and arm64 (some four minutes)"
"$CARGO" build --locked --release --bin signer --target $amd64 --target $arm64 --target-dir "$target_dir"

step "Writing the bills of materials"
sboms=$target_dir/sboms
rm -rf "$sboms" signer_bin.cdx.json
mkdir -p "$sboms"
for triple in $amd64 $arm64; do
    "$CYCLONEDX" cyclonedx --quiet --format json --spec-version 1.5 --describe binaries \
        --no-build-deps --target "$triple"
    mv signer_bin.cdx.json "$sboms/$triple.cdx.json"
    # That of the program for keys in tokens, which is no part of a release.
    rm -f sigstore-kms-pkcs11_bin.cdx.json
    "$CARGO" tree --locked --target "$triple" --edges normal --prefix none --no-dedupe \
        >"$sboms/$triple.tree"
done

step "Packing $dist"
rm -rf "$dist"
mkdir "$dist"
{
    printf 'signer %s, commit %s\n' "$(pack version)" "$revision"
    printf 'SOURCE_DATE_EPOCH=%s\n\n' "$SOURCE_DATE_EPOCH"
    rustc -vV
    printf '\n'
    "$CC_AMD64" --version | head -n 1
    "$CC_ARM64" --version | head -n 1
} >"$dist/BUILD.txt"
set -- -time "$SOURCE_DATE_EPOCH" -revision "$revision" \
    -programs "$target_dir" -sboms "$sboms" -output "$dist"
[ -z "$ROOTS" ] || set -- "$@" -roots "$ROOTS"
pack pack "$@"
for triple in $amd64 $arm64; do
    printf '%10d bytes  %s\n' "$(wc -c <"$target_dir/$triple/release/signer")" "$triple"
done
