#!/bin/sh
# A training on a running cluster, submitted from outside: ray job submit --working-dir . -- cluster/job.sh RUN
# Ray copies the checkout to the head (.rayignore says what stays behind) and runs this file there. The finished training
# is in cluster.storage, where `dvc repro` at home finds it.
set -eu
[ -d .dvc ] || dvc init --quiet --no-scm # a later job with the same files gets the same folder
sresnet check
exec dvc --wait-for-lock repro "train@$1"
