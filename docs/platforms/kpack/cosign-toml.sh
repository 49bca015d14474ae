#!/bin/sh
# Writes a cosign.toml from what kpack gives its own signing step (the container
# `completion` of a build pod): mounted secrets and these arguments, as often as
# needed.
#
#   -cosign-annotations=NAME=VALUE           into every signature; the last of a name
#   -cosign-repositories=SECRET=REPOSITORY   kpack.io/cosign.repository
#   -cosign-docker-media-types=SECRET=1      kpack.io/cosign.docker-media-types
#
# And of our own:
#
#   -secrets=FOLDER       default /var/build-secrets/cosign; a folder for each
#                         secret, with cosign.key and perhaps cosign.password
#   -export-sbom=VALUE    for all keys: attestation (the default), attachment, none
#   -output=FILE          default: standard output
#
# Needs a POSIX shell with sed, tr and wc. No secret is read, printed or copied:
# the cosign.toml holds paths.
set -eu

die() {
    printf 'ERROR: %s\n' "$*" >&2
    exit 3
}

# A TOML string.
quoted() {
    plain=$(printf '%s' "$1" | tr -d '\000-\037\177' | wc -c)
    whole=$(printf '%s' "$1" | wc -c)
    [ "$plain" -eq "$whole" ] || die "a value holds control characters"
    printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# of FLAG SECRET ARGUMENTS…: the value of the last -FLAG=SECRET=VALUE.
of() {
    prefix="-$1=$2="
    shift 2
    value=
    for argument; do
        case $argument in "$prefix"*) value=${argument#"$prefix"} ;; esac
    done
    printf '%s' "$value"
}

# An argument about a secret that is not there would be lost silently.
known() {
    name=${1#-*=}
    name=${name%%=*}
    [ -s "$secrets/$name/cosign.key" ] || die "\`$1\` is about a secret without a cosign.key in $secrets"
}

# later NAME ARGUMENTS…: whether one of them is an annotation of that name.
later() {
    prefix="-cosign-annotations=$1="
    shift
    for argument; do
        case $argument in "$prefix"*) return 0 ;; esac
    done
    return 1
}

annotations() {
    while [ $# -gt 0 ]; do
        argument=$1
        shift
        case $argument in -cosign-annotations=*) ;; *) continue ;; esac
        pair=${argument#-cosign-annotations=}
        case $pair in ?*=?*) ;; *) die "\`$argument\` is not of the form NAME=VALUE" ;; esac
        if later "${pair%%=*}" "$@"; then continue; fi
        name=$(quoted "${pair%%=*}") || exit 3
        value=$(quoted "${pair#*=}") || exit 3
        printf '[[annotations]]\nname = %s\nvalue = %s\n\n' "$name" "$value"
    done
}

configs() {
    count=0
    for folder in "$secrets"/*/; do
        folder=${folder%/}
        [ -s "$folder/cosign.key" ] || continue
        count=$((count + 1))
        secret=${folder##*/}
        path=$(quoted "$folder/cosign.key") || exit 3
        printf '[[configs]]\nkey = %s\n' "$path"
        # A key without a password has the empty one, as with kpack.
        if [ -e "$folder/cosign.password" ]; then
            path=$(quoted "$folder/cosign.password") || exit 3
            printf 'password = %s\n' "$path"
        fi
        repository=$(of cosign-repositories "$secret" "$@")
        if [ -n "$repository" ]; then
            repository=$(quoted "$repository") || exit 3
            printf 'repository = %s\n' "$repository"
        fi
        case $(of cosign-docker-media-types "$secret" "$@") in
        '' | 0 | f | F | false | False | FALSE) ;;
        1 | t | T | true | True | TRUE) printf 'docker-media-types = true\n' ;;
        *) die "-cosign-docker-media-types of \`$secret\` is neither 1 nor 0" ;;
        esac
        if [ -n "$sbom" ]; then printf 'export-sbom = "%s"\n' "$sbom"; fi
        printf '\n'
    done
    [ "$count" -gt 0 ] || die "there is no secret with a cosign.key in $secrets"
}

secrets=/var/build-secrets/cosign
output=
sbom=
for argument; do
    case $argument in
    -secrets=*) secrets=${argument#*=} ;;
    -output=*) output=${argument#*=} ;;
    -export-sbom=attestation | -export-sbom=attachment | -export-sbom=none) sbom=${argument#*=} ;;
    -cosign-annotations=* | -cosign-repositories=* | -cosign-docker-media-types=*) ;;
    *) die "\`$argument\` is not known" ;;
    esac
done
for argument; do
    case $argument in
    -cosign-repositories=* | -cosign-docker-media-types=*) known "$argument" ;;
    esac
done

# Whole or not at all.
text=$(
    annotations "$@"
    configs "$@"
) || exit 3
if [ -n "$output" ]; then
    printf '%s\n' "$text" > "$output"
else
    printf '%s\n' "$text"
fi
