#!/bin/sh
# What rayjob.yaml runs, in a file: KubeRay and Ray put the entrypoint into lines of bash, each of which would expand `$?`.
cd "$(dirname "$0")/../.." || exit
sresnet check && dvc repro
status=$?
dvc push || exit # what was done until an error is kept, too
exit $status
