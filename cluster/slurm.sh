#!/bin/bash
#SBATCH --job-name=sresnet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# The pipeline of params.yaml on the nodes of a Slurm job: sbatch cluster/slurm.sh, in a checkout that all nodes see.
# params.yaml: `address: auto`, `storage` an absolute path that all nodes see. Ray starts and ends with the job, on
# whole nodes, since `ray symmetric-run` stops every Ray of its user there. Two minutes before the time limit the job
# puts itself back into the queue, and goes on from the last checkpoint when it has nodes again.
set -eu
cd "$SLURM_SUBMIT_DIR"
export PATH="$PWD/.venv/bin:$PATH" RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds for all nodes to join; Ray's 30 are few after a cold start
(umask 077 && ray get-auth-token --generate >/dev/null) # into ~/.ray/auth_token, if there is none
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
done=$PWD/runs/slurm-$SLURM_JOB_ID.done
mkdir -p runs && rm -f "$done"
trap 'echo "the time is nearly up: back into the queue"; scontrol requeue "$SLURM_JOB_ID"' USR1
srun --kill-on-bad-exit=1 ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    sh -c 'sresnet check && dvc --wait-for-lock repro && touch "$0"' "$done" &
step=$!
wait "$step" || true # a signal ends the wait, not the step
wait "$step" || true
if [ ! -e "$done" ]; then # symmetric-run succeeds even where Ray did not start
    echo "error: the pipeline did not end: see above, and runs/*/log.txt" >&2
    exit 1
fi
rm "$done"
