#!/bin/bash
# Runs one fdsweep command on whole nodes of a Slurm cluster, from an environment that all nodes see:
#
#   sbatch --nodes 2 --gpus-per-node 4 --time 12:00:00 deploy/slurm.sh ablation --storage /shared/runs
#
# Ray starts on every node, the command runs on the first one, and Ray ends with it. What stands
# after `#SBATCH` is a default: options of `sbatch` come first.
#SBATCH --job-name=fdsweep
#SBATCH --output=fdsweep-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1

set -euo pipefail

for program in fdsweep ray; do
    if ! command -v "$program" > /dev/null; then
        echo "No $program on the PATH: activate its environment, then type sbatch again." >&2
        exit 2
    fi
done

# The name of a node may stand for 127.0.1.1 on the node itself, where others do not reach it.
addresses="$(hostname --ip-address) $(hostname --all-ip-addresses)"
head=$(tr ' ' '\n' <<< "$addresses" | grep -m 1 -Ev '^127\.|:|^$' || echo 127.0.0.1)

# Above the ports that Ray gives to workers, below those that the kernel gives out.
export RAY_ADDRESS=$head:$((20000 + SLURM_JOB_ID % 10000))

# Whoever reaches that port could run anything as this user.
RAY_AUTH_TOKEN=$(od -An -N 32 -t x1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

# Another user's /tmp/ray cannot be written, and paths of sockets must be short.
export RAY_TMPDIR=/tmp/ray-$SLURM_JOB_ID

# Seconds that nodes wait for each other; importing Ray from a network file system takes its time.
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

# What the command prints; Ray's farewell follows it in the log. `ray symmetric-run` exits with 0 where
# Ray cannot be started, and then this file is not there.
results=fdsweep-$SLURM_JOB_ID.out
rm -f "$results"
status=0
srun --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_ON_NODE" --kill-on-bad-exit=0 \
    ray symmetric-run --address "$RAY_ADDRESS" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_ON_NODE" -- \
    bash -c 'exec fdsweep "$@" > "$0"' "$results" "$@" || status=$?

if [[ ! -e $results ]]; then
    echo "Ray could not be started on all nodes: the lines above say why." >&2
    exit 2
fi
cat "$results"
# Logs of Ray stay on the nodes only where something went wrong.
if ((status == 0)); then
    srun --ntasks-per-node=1 rm -rf "$RAY_TMPDIR"
fi
exit "$status"
