#!/bin/sh
# Builds an app with pack, pushes it, and signs what was pushed.
#
#   build-and-sign.sh IMAGE [ARGUMENTS OF pack build…]
#
# CNB_COSIGN_CONFIG_PATH names the cosign.toml; SIGNER the signer, if it is not
# on PATH. Credentials are Docker's, as pack's are (`docker login`).
set -eu

image=${1:?usage: build-and-sign.sh IMAGE [ARGUMENTS OF pack build…]}
shift
: "${CNB_COSIGN_CONFIG_PATH:?names the cosign.toml}"

# A folder of our own: a report that is left over from an earlier build must not
# be taken for this one's, and `pack rebase` writes over an old report without
# cutting it off.
report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT

pack build "$image" --publish --report-output-dir "$report" "$@"
CNB_PLATFORM_API=0.13 "${SIGNER:-signer}" -report "$report/report.toml"
