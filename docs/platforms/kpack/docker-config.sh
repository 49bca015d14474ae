#!/bin/sh
# Writes Docker's config.json from what kpack gives its own containers: mounted
# secrets of registries and these arguments, as often as needed.
#
#   -basic-docker=SECRET=REGISTRY   kubernetes.io/basic-auth, kpack.io/docker: REGISTRY
#   -dockercfg=SECRET               kubernetes.io/dockercfg
#   -dockerconfig=SECRET            kubernetes.io/dockerconfigjson
#
# And of our own:
#
#   -secrets=FOLDER   default /var/build-secrets; a folder for each secret
#   -output=FILE      default: standard output
#
# As with kpack (read: v0.17.2), the first entry for a registry counts: those of
# basic-docker, then of dockercfg, then of dockerconfig.
#
# Needs a POSIX shell with awk, base64, cat, sed and tr.
set -eu
umask 077

die() {
    printf 'ERROR: %s\n' "$*" >&2
    exit 3
}

# file SECRET NAME: the path of a secret's file.
file() {
    [ -f "$secrets/$1/$2" ] || die "the secret \`$1\` in $secrets has no $2"
    printf '%s' "$secrets/$1/$2"
}

# A line for each argument: whether its object holds the registries itself or
# below `auths`, and the object.
entries() {
    for argument; do
        case $argument in -basic-docker=*) ;; *) continue ;; esac
        pair=${argument#*=}
        case $pair in ?*=?*) ;; *) die "\`$argument\` is not of the form SECRET=REGISTRY" ;; esac
        case $pair in *[\"\\]*) die "\`$argument\` names no registry" ;; esac
        user=$(file "${pair%%=*}" username) || exit 3
        word=$(file "${pair%%=*}" password) || exit 3
        auth=$({ cat "$user"; printf :; cat "$word"; } | base64 | tr -d '\n')
        printf 'itself {"%s":{"auth":"%s"}}\n' "${pair#*=}" "$auth"
    done
    for kind in dockercfg dockerconfig; do
        for argument; do
            case $argument in "-$kind="*) ;; *) continue ;; esac
            case $kind in
            dockercfg) where=itself name=.dockercfg ;;
            *) where=auths name=.dockerconfigjson ;;
            esac
            path=$(file "${argument#*=}" "$name") || exit 3
            # Line breaks are white space in JSON: none stands in a string.
            printf '%s ' "$where"
            tr '\n\r' '  ' < "$path"
            printf '\n'
        done
    done
}

merged() {
    awk '
    # The members of a JSON object as they stand, `"name": value` each.
    function members(object, found,    i, c, depth, quoted, start, count) {
        for (i = 1; i <= length(object); i++) {
            c = substr(object, i, 1)
            if (quoted) {
                if (c == "\\") i++
                else if (c == "\"") quoted = 0
            } else if (c == "\"") quoted = 1
            else if (c == "{" || c == "[") {
                if (++depth == 1) start = i + 1
            } else if (c == "}" || c == "]" || (c == "," && depth == 1)) {
                if (depth == 1) {
                    found[++count] = trimmed(substr(object, start, i - start))
                    if (found[count] == "") count--
                    start = i + 1
                }
                if (c != ",") depth--
            }
        }
        if (start == 0 || depth != 0 || quoted) {
            print "ERROR: a secret is no JSON object" > "/dev/stderr"
            failed = 1
            exit 3
        }
        return count + 0
    }
    function trimmed(text) {
        gsub(/^[ \t]+|[ \t]+$/, "", text)
        return text
    }
    function name(member) {
        match(member, /^"([^"\\]|\\.)*"/)
        return substr(member, 2, RLENGTH - 2)
    }
    function value(member) {
        match(member, /^"([^"\\]|\\.)*"[ \t]*:/)
        return trimmed(substr(member, RLENGTH + 1))
    }
    # `https://registry.example/v2/` is registry.example.
    function registry(text) {
        gsub(/\\\//, "/", text)
        sub(/^https?:\/\//, "", text)
        sub(/\/(v[12]\/?)?$/, "", text)
        return text
    }
    {
        object = substr($0, index($0, " ") + 1)
        if ($1 == "auths") {
            split("", outer)
            count = members(object, outer)
            object = "{}"
            for (i = 1; i <= count; i++)
                if (name(outer[i]) == "auths") object = value(outer[i])
        }
        split("", inner)
        count = members(object, inner)
        for (i = 1; i <= count; i++) {
            known = registry(name(inner[i]))
            if (!(known in seen)) all = all (all == "" ? "" : ",") inner[i]
            seen[known] = 1
        }
    }
    END {
        if (failed) exit 3
        print "{\"auths\":{" all "}}"
    }'
}

secrets=/var/build-secrets
output=
for argument; do
    case $argument in
    -secrets=*) secrets=${argument#*=} ;;
    -output=*) output=${argument#*=} ;;
    -basic-docker=* | -dockercfg=* | -dockerconfig=*) ;;
    *) die "\`$argument\` is not known" ;;
    esac
done

# Whole or not at all.
lines=$(entries "$@") || exit 3
text=$(printf '%s\n' "$lines" | sed '/^ *$/d' | merged) || exit 3
if [ -n "$output" ]; then
    printf '%s\n' "$text" > "$output"
else
    printf '%s\n' "$text"
fi
