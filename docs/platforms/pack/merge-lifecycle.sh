#!/bin/sh
# Puts the signer into a lifecycle's tarball, for `pack builder create`, which
# takes one tarball only.
#
#   merge-lifecycle.sh LIFECYCLE.tgz SIGNER.tgz OUTPUT.tgz
#
# The lifecycle keeps its descriptor (lifecycle.toml). Fails if the lifecycle
# speaks a Platform API that the signer does not.
set -eu

die() {
    printf 'ERROR: %s\n' "$*" >&2
    exit 1
}

[ $# -eq 3 ] || die "usage: merge-lifecycle.sh LIFECYCLE.tgz SIGNER.tgz OUTPUT.tgz"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/lifecycle" "$folder/signer"
tar -xzf "$1" -C "$folder/lifecycle"
tar -xzf "$2" -C "$folder/signer"

# The versions in the list `supported` of [apis.platform], one a line.
platform_apis() {
    awk '/^ *\[/ { inside = /^ *\[apis\.platform\]/ } inside && /^ *supported *=/' "$1/lifecycle.toml" |
        sed -n 's/^[^[]*\[\(.*\)\].*$/\1/p' | tr -d '" ' | tr ',' '\n'
}
wanted=$(platform_apis "$folder/lifecycle")
known=$(platform_apis "$folder/signer")
[ -n "$wanted" ] || die "$1 names no Platform API in its lifecycle.toml"
for api in $wanted; do
    case " $(printf '%s' "$known" | tr '\n' ' ') " in
    *" $api "*) ;;
    *) die "the lifecycle speaks Platform API $api, the signer does not" ;;
    esac
done

cp -p "$folder/signer/lifecycle/"* "$folder/lifecycle/lifecycle/"
tar -czf "$3" --owner=0 --group=0 -C "$folder/lifecycle" lifecycle.toml lifecycle
