#!/bin/sh
# Starts the Job of job.yaml for each kpack Build that has succeeded and has none
# yet. cronjob.yaml runs it every minute, since nothing else triggers the Job.
#
#   sign-builds.sh JOB.yaml [ARGUMENTS OF kubectl get builds…]
#
# `-l image.kpack.io/image=app` takes the builds of one Image. A Job, and its report,
# belong to their Build and go with it.
#
# The report names the digest in each repository, not the tags: a later build may
# have moved those by now, and what is signed is this Build's image.
#
# Needs a POSIX shell with sed, and kubectl. Read: kpack v0.17.2.
set -eu

job=${1:?usage: sign-builds.sh JOB.yaml [ARGUMENTS OF kubectl get builds…]}
shift

# NAME UID NUMBER TIME IMAGE@DIGEST TAGS…
template='{{ range .items }}{{ $build := . }}{{ range .status.conditions }}
{{- if and (eq .type "Succeeded") (eq .status "True") }}
{{- $number := "0" }}{{ with $build.metadata.labels }}{{ with index . "image.kpack.io/buildNumber" }}{{ $number = . }}{{ end }}{{ end }}
{{- with $build }}{{ .metadata.name }} {{ .metadata.uid }} {{ $number }} {{ .metadata.creationTimestamp }} {{ .status.latestImage }}
{{- range .spec.tags }} {{ . }}{{ end }}
{{ end }}{{ end }}{{ end }}{{ end }}'

# The repositories of some tags, each once, as digests in TOML.
digests() {
    digest=$1
    shift
    seen=
    for tag; do
        repository=$(printf '%s' "$tag" | sed 's/@.*$//; s/:[^/:]*$//')
        case " $seen " in *" $repository "*) continue ;; esac
        printf '%s"%s@%s"' "${seen:+, }" "$repository" "$digest"
        seen="$seen $repository"
    done
}

start() {
    build=$1 uid=$2 number=$3 digest=${5##*@}
    # 2026-11-21T11:08:53Z, as kpack has it: 20261121.110853
    time=$(printf '%s' "$4" | sed 's/[-:Z]//g; s/T/./')
    shift 5
    cat <<END
apiVersion: v1
kind: ConfigMap
metadata:
  name: report-$build
  ownerReferences:
    - { apiVersion: kpack.io/v1alpha2, kind: Build, name: $build, uid: $uid }
data:
  report.toml: |
    [image]
      tags = [$(digests "$digest" "$@")]
      digest = "$digest"
---
END
    sed "s/app-build-12/$build/g
        s/00000000-0000-0000-0000-000000000000/$uid/
        s/buildTimestamp=20261121\.110853/buildTimestamp=$time/
        s/buildNumber=12/buildNumber=$number/" "$job"
}

builds=$(kubectl get builds.kpack.io --output "go-template=$template" "$@")
jobs=$(kubectl get jobs --output name)
failed=0
while read -r build rest; do
    [ -n "$build" ] || continue
    case "
$jobs
" in *"
job.batch/sign-$build
"*) continue ;; esac
    case "$build $rest" in
    *[!A-Za-z0-9.:/@_\ -]*)
        echo "ERROR: the Build \`$build\` says something odd" >&2
        failed=1
        continue
        ;;
    esac
    # shellcheck disable=SC2086 # words of their own
    start "$build" $rest | kubectl apply --filename - || failed=1
done <<END
$builds
END
exit "$failed"
